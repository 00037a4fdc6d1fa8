//! Errors of the client in the words of a job: what, where, and the next step.

use super::address::Address;
use super::client::Context;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use waystream_engine::error::{JobError, Result};

/// Makes errors about one address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble<'a> {
    pub(super) address: &'a Address,
    pub(super) context: &'a Context,
}

impl Trouble<'_> {
    /// The error of something that was wanted of the brokers.
    pub(super) fn error(&self, what: &str, error: KafkaError) -> JobError {
        use RDKafkaErrorCode as Code;
        let Address { brokers, topic, .. } = self.address;
        let code = error.rdkafka_error_code();
        let complaint = self.context.complaint();
        let (error, hint) = match code {
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition) => (
                JobError::configuration(format!("{what}: {brokers} has no topic `{topic}`")),
                "create the topic, or correct its name".to_owned(),
            ),
            Some(
                Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::TransactionalIdAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::Authentication,
            ) => (
                JobError::configuration(format!("{what}: {brokers} refuses it{complaint}"))
                    .caused_by(error),
                "check user and password in the file named by `properties`, and what they may do"
                    .to_owned(),
            ),
            Some(
                Code::AllBrokersDown
                | Code::BrokerTransportFailure
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::MessageTimedOut
                | Code::RequestTimedOut
                | Code::SSL,
            ) => (
                JobError::unavailable(format!("{what}: no answer from {brokers}{complaint}")),
                format!(
                    "check that Kafka runs and that {brokers} is its address; then run the job \
                         again: it goes on where it stopped"
                ),
            ),
            _ => (
                JobError::unavailable(format!(
                    "{what} failed at {brokers}, topic `{topic}`{complaint}"
                ))
                .caused_by(error),
                "run the job again: it goes on where it stopped".to_owned(),
            ),
        };
        error.hint(hint)
    }

    /// The same for a result.
    pub(super) fn told<T>(&self, what: &str, result: Result<T, KafkaError>) -> Result<T> {
        result.map_err(|error| self.error(what, error))
    }
}
