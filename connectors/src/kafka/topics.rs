//! The topics a sink needs: made where they are missing, checked where they are there.

use super::address::Address;
use super::client::{ANSWER_WITHIN, Context, config_of, made};
use super::raw;
use super::trouble::Trouble;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::future::Future;
use waystream_engine::clock::{Clock, SystemClock};
use waystream_engine::error::{JobError, Result};
use waystream_engine::time::{millis, ms};

/// How a topic is made if it is missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// The brokers' default if not given.
    pub(super) partitions: Option<i32>,
    pub(super) replication: Option<i32>,
    /// Whether only the newest record of each key is kept.
    pub(super) is_compacted: bool,
}

/// What says that only the newest record of each key is kept.
const CLEANUP_POLICY: &str = "cleanup.policy";

/// Asks for topics.
pub(super) struct Topics {
    admin: AdminClient<Context>,
    context: Context,
}

impl Topics {
    pub(super) fn at(address: &Address) -> Result<Self> {
        let context = Context::default();
        let admin = made(config_of(address).create_with_context(context.clone()))?;
        Ok(Self { admin, context })
    }

    /// The id of a topic that is there in the end; empty if the brokers know no ids.
    pub(super) fn ensure(&self, address: &Address, shape: Shape) -> Result<String> {
        let found = self.id(address);
        let id = match found {
            Err(error) if is_missing(&error) => {
                self.make(address, shape)?;
                self.id_once_known(address).map_err(|error| {
                    let (topic, brokers) = (&address.topic, &address.brokers);
                    let what =
                        format!("{brokers} made the topic `{topic}` and does not know it yet");
                    JobError::unavailable(what)
                        .hint("run the job again: it goes on where it stopped")
                        .caused_by(error)
                })?
            }
            found => self.trouble(address).told("cannot reach the topic", found)?,
        };
        if shape.is_compacted {
            self.check_compacted(address)?;
        }
        Ok(id)
    }

    fn id(&self, address: &Address) -> Result<String, KafkaError> {
        let id = raw::topic_id(self.admin.inner(), &address.topic, ANSWER_WITHIN)?;
        Ok(id.unwrap_or_default())
    }

    /// Brokers say that a topic is made before all of them know it.
    fn id_once_known(&self, address: &Address) -> Result<String, KafkaError> {
        let begun_ms = SystemClock.ticks_ms();
        loop {
            match self.id(address) {
                Err(error) if is_missing(&error) => {
                    if SystemClock.ticks_ms() - begun_ms > millis(ANSWER_WITHIN) {
                        return Err(error);
                    }
                    std::thread::park_timeout(ms(20));
                }
                found => return found,
            }
        }
    }

    fn make(&self, address: &Address, shape: Shape) -> Result<()> {
        let (partitions, replication) =
            (shape.partitions.unwrap_or(-1), shape.replication.unwrap_or(-1));
        let mut topic =
            NewTopic::new(&address.topic, partitions, TopicReplication::Fixed(replication));
        if shape.is_compacted {
            topic = topic.set(CLEANUP_POLICY, "compact");
        }
        let trouble = self.trouble(address);
        let what = "cannot make the topic";
        let made = wait_for(self.admin.create_topics([&topic], &options()))?;
        for result in trouble.told(what, made)? {
            match result {
                Ok(_) => tracing::warn!(
                    topic = address.topic,
                    partitions,
                    "made the topic, which was missing"
                ),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(trouble.error(what, KafkaError::AdminOp(code))),
            }
        }
        Ok(())
    }

    /// Records that carry what exactly-once rests on must not expire.
    fn check_compacted(&self, address: &Address) -> Result<()> {
        let of = ResourceSpecifier::Topic(&address.topic);
        let told = wait_for(self.admin.describe_configs([&of], &options()))?;
        let Ok(told) = told else { return Ok(()) };
        let topic = told.into_iter().next().and_then(Result::ok);
        let policy = topic.as_ref().and_then(|topic| topic.get(CLEANUP_POLICY)?.value.clone());
        match policy {
            Some(policy) if policy != "compact" => {
                let (topic, brokers) = (&address.topic, &address.brokers);
                Err(JobError::configuration(format!(
                    "topic `{topic}` at {brokers} has {CLEANUP_POLICY}={policy}, so its markers may expire"
                ))
                .hint(format!("set {CLEANUP_POLICY}=compact, or name another topic with markers=TOPIC")))
            }
            // Who may not ask is not held up by that.
            _ => Ok(()),
        }
    }

    fn trouble<'a>(&'a self, address: &'a Address) -> Trouble<'a> {
        Trouble { address, context: &self.context }
    }
}

fn is_missing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)
    )
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER_WITHIN)).operation_timeout(Some(ANSWER_WITHIN))
}

/// Waits on this thread: committers have one of their own.
fn wait_for<F: Future>(future: F) -> Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime
        .map_err(|error| JobError::failed("cannot wait for an answer of Kafka").caused_by(error))?;
    Ok(runtime.block_on(future))
}
