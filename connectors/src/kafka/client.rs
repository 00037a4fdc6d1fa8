//! What clients of a broker have in common: their set-up, their log, and what they last complained of.

use super::address::Address;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{ClientConfig, TopicPartitionList};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use waystream_engine::error::{JobError, Result};

/// How long a question to the brokers may take.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A consumer of ours.
pub(super) type Consumer = BaseConsumer<Context>;

/// Takes the client's log, and keeps its last complaint for the error that may follow.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    complaint: Arc<Mutex<Option<String>>>,
}

impl Context {
    /// What the client complained of last, as the end of an error text.
    pub(super) fn complaint(&self) -> String {
        let complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        complaint.as_ref().map_or_else(String::new, |text| format!(" ({text})"))
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(target: "kafka", facility, "{message}");
            }
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
                tracing::warn!(target: "kafka", facility, "{message}");
            }
            _ => tracing::debug!(target: "kafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "kafka", %error, reason);
        *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }
}

impl ConsumerContext for Context {
    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::warn!(target: "kafka", %error, "offsets were not published to the group");
        }
    }
}

/// The set-up that all clients share.
pub(super) fn config_of(address: &Address) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("client.id", "waystream").set("retry.backoff.ms", "10");
    address.settings.apply(&mut config);
    config.set("bootstrap.servers", &address.brokers);
    config
}

/// The set-up of a consumer that reads what is committed, from where it is told.
pub(super) fn consumer_config(address: &Address, group: &str) -> ClientConfig {
    let mut config = config_of(address);
    config
        .set("group.id", group)
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "error")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("check.crcs", "true");
    config
}

/// Makes a client; what it refuses is a property that the deployment gave.
pub(super) fn made<C>(made: KafkaResult<C>) -> Result<C> {
    made.map_err(|error| {
        JobError::configuration("the client of Kafka cannot be set up")
            .hint("correct the property in the file named by `properties`")
            .caused_by(error)
    })
}
