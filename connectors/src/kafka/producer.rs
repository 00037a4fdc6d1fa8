//! A producer with transactions: one payment, one transaction, and what its failures mean.

use super::address::Address;
use super::client::{Context, config_of, made};
use super::delivery::{Delivery, Guarantee};
use super::frame::Frame;
use super::trouble::Trouble;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use std::fmt;
use std::time::Duration;
use waystream_engine::error::{JobError, Result};
use waystream_engine::time::{millis, ms, secs};

/// How long one call may wait before it is made again.
const STEP: Duration = secs(5);

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    // A transaction that lacks a row cannot be committed, so nothing has to be noted here.
    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            tracing::debug!(target: "kafka", %error, "a row was not delivered");
        }
    }
}

/// What a failed step of a transaction asks for.
#[derive(Debug)]
pub(super) enum Failed {
    /// Whether the transaction counts is not known, or it does not: ask the marker, and pay again.
    Unknown(JobError),
    /// Somebody else has used the transactional id.
    Fenced(JobError),
    /// It will fail again and again.
    Fatal(JobError),
}

/// A producer that has taken over its transactional id, if it has one.
pub(super) struct Producer {
    producer: BaseProducer<Context>,
    address: Address,
    context: Context,
    guarantee: Guarantee,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Producer {
    /// Sets up a producer, without a word to the brokers.
    pub(super) fn new(address: &Address, delivery: &Delivery) -> Result<Self> {
        let context = Context::default();
        let timeout_ms = millis(delivery.transaction_timeout).to_string();
        let mut config = config_of(address);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("partitioner", "murmur2_random");
        if config.get("linger.ms").is_none() {
            config.set("linger.ms", "5");
        }
        if delivery.guarantee == Guarantee::ExactlyOnce {
            config
                .set("transactional.id", &delivery.transactional_id)
                .set("transaction.timeout.ms", &timeout_ms)
                .set("message.timeout.ms", &timeout_ms);
        }
        let producer = made(config.create_with_context(context.clone()))?;
        let (address, guarantee) = (address.clone(), delivery.guarantee);
        Ok(Self { producer, address, context, guarantee })
    }

    /// Takes the transactional id over: what is open under it is aborted, and who has used it before
    /// is fenced. `goes_on` is asked between tries.
    pub(super) fn take_over(&self, goes_on: &dyn Fn() -> bool) -> Result<(), Failed> {
        if self.guarantee == Guarantee::AtLeastOnce {
            return Ok(());
        }
        self.again("cannot take over the transactional id", goes_on, || {
            self.producer.init_transactions(STEP)
        })
    }

    /// Produces rows, each value behind `prefix`, and marker in one transaction.
    pub(super) fn transact<'a>(
        &self,
        rows: impl Iterator<Item = Result<Frame<'a>>>,
        prefix: &[u8],
        marker: Option<(&str, &str, &str)>,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<(), Failed> {
        let transactional = self.guarantee == Guarantee::ExactlyOnce;
        if transactional {
            let begun = self.producer.begin_transaction();
            begun.map_err(|error| self.failed("cannot begin a transaction", error))?;
        }
        for row in rows {
            let Frame { key, headers, value } = row.map_err(Failed::Fatal)?;
            let mut record = BaseRecord::<[u8], [u8]>::to(&self.address.topic);
            let prefixed =
                value.filter(|_| !prefix.is_empty()).map(|value| [prefix, value].concat());
            (record.key, record.payload) = (key, prefixed.as_deref().or(value));
            if !headers.is_empty() {
                let headers = headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| {
                    all.insert(Header { key, value: Some(*value) })
                });
                record = record.headers(headers);
            }
            self.send(record)?;
        }
        if let Some((topic, key, value)) = marker {
            let record = BaseRecord::<[u8], [u8]>::to(topic).partition(0);
            self.send(record.key(key.as_bytes()).payload(value.as_bytes()))?;
        }
        self.flush(goes_on)?;
        if transactional {
            self.again("cannot commit a transaction", goes_on, || {
                self.producer.commit_transaction(STEP)
            })?;
        }
        Ok(())
    }

    fn send(&self, mut record: BaseRecord<'_, [u8], [u8]>) -> Result<(), Failed> {
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((error, back)) => {
                    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                        return Err(self.failed("cannot write a row", error));
                    }
                    record = back;
                    self.producer.poll(ms(10));
                }
            }
        }
    }

    /// Waits until every row is acknowledged. The binding's own way looks ten times a second; this
    /// one does so only when the answer is long in coming.
    fn flush(&self, goes_on: &dyn Fn() -> bool) -> Result<(), Failed> {
        let mut looks = 0_u64;
        while self.producer.in_flight_count() > 0 {
            looks += 1;
            self.producer.poll(ms((looks / 50).clamp(1, 50)));
            if let Some((code, text)) = self.producer.client().fatal_error() {
                return Err(self.failed(&text, KafkaError::Global(code)));
            }
            if !goes_on() {
                return Err(self.failed("cannot write rows", timed_out()));
            }
        }
        Ok(())
    }

    /// Makes a call again for as long as the client says that it may be.
    fn again(
        &self,
        what: &str,
        goes_on: &dyn Fn() -> bool,
        call: impl Fn() -> Result<(), KafkaError>,
    ) -> Result<(), Failed> {
        loop {
            let error = match call() {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let may_call_again = match &error {
                KafkaError::Transaction(error) => {
                    error.is_retriable() && !error.is_fatal() && !error.txn_requires_abort()
                }
                error => error.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut),
            };
            if !may_call_again || !goes_on() {
                return Err(self.failed(what, error));
            }
            tracing::debug!(target: "kafka", %error, what, "once more");
        }
    }

    fn failed(&self, what: &str, error: KafkaError) -> Failed {
        use RDKafkaErrorCode as Code;
        let trouble = Trouble { address: &self.address, context: &self.context };
        let code = match &error {
            KafkaError::Transaction(error) => Some(error.code()),
            error => error.rdkafka_error_code(),
        };
        match code {
            Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch) => {
                Failed::Fenced(trouble.error(what, error))
            }
            Some(Code::InvalidTransactionTimeout) => Failed::Fatal(
                JobError::configuration(format!(
                    "{what}: the brokers allow no `transaction-timeout` as long as this"
                ))
                .hint("name a shorter one, or raise transaction.max.timeout.ms of the brokers")
                .caused_by(error),
            ),
            Some(
                Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::TopicAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::TransactionalIdAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::MessageSizeTooLarge
                | Code::InvalidMessageSize
                | Code::PolicyViolation,
            ) => Failed::Fatal(trouble.error(what, plain(error))),
            _ => Failed::Unknown(trouble.error(what, plain(error))),
        }
    }
}

/// The error under its code, so that its kind is seen.
fn plain(error: KafkaError) -> KafkaError {
    match error {
        KafkaError::Transaction(inner) => KafkaError::Global(inner.code()),
        error => error,
    }
}

fn timed_out() -> KafkaError {
    KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)
}
