//! A topic as its brokers tell it: its id, its partitions, and where they begin and end.

use super::address::Address;
use super::client::{ANSWER_WITHIN, Consumer, Context, consumer_config, made};
use super::mark::Ends;
use super::raw;
use super::trouble::Trouble;
use rdkafka::consumer::Consumer as _;
use rdkafka::{Offset, TopicPartitionList};
use std::fmt;
use std::sync::Arc;
use waystream_engine::error::{JobError, Result};

/// Bytes that the client may hold ready, over all partitions; it takes about three times as much.
const READY_BYTES: usize = 32 << 20;
/// The least and most of it for one partition.
const READY_KIB: (usize, usize) = (256, 16 << 10);

/// A topic that is read by this worker.
pub(super) struct Topic {
    pub(super) address: Address,
    pub(super) consumer: Arc<Consumer>,
    /// Its id when the job began to read; empty if the brokers know no ids.
    pub(super) id: String,
    context: Context,
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Topic {
    /// Asks the brokers for the topic and sets up a consumer that fits its number of partitions.
    pub(super) fn open(address: &Address, group: &str, is_bounded: bool) -> Result<Self> {
        let context = Context::default();
        let mut config = consumer_config(address, group);
        config.set("enable.partition.eof", if is_bounded { "true" } else { "false" });
        config.set("fetch.message.max.bytes", (1 << 20).to_string());
        config.set("fetch.max.bytes", (4 << 20).to_string());
        let consumer: Consumer = made(config.create_with_context(context.clone()))?;
        let topic = Self {
            address: address.clone(),
            consumer: Arc::new(consumer),
            id: String::new(),
            context,
        };
        let count = topic.count()?;
        let ready_kib = (READY_BYTES / 1024 / count.max(1)).clamp(READY_KIB.0, READY_KIB.1);
        config.set("queued.max.messages.kbytes", ready_kib.to_string());
        let consumer: Consumer = made(config.create_with_context(topic.context.clone()))?;
        let topic = Self { consumer: Arc::new(consumer), ..topic };
        Ok(Self { id: topic.current_id()?, ..topic })
    }

    /// How many partitions it has now.
    pub(super) fn count(&self) -> Result<usize> {
        let name = &self.address.topic;
        let asked = self.consumer.fetch_metadata(Some(name), ANSWER_WITHIN);
        let metadata = self.trouble().told("cannot read the topic", asked)?;
        let found = metadata.topics().iter().find(|topic| topic.name() == name);
        if let Some(error) = found.and_then(rdkafka::metadata::MetadataTopic::error) {
            let error = rdkafka::error::KafkaError::MetadataFetch(error.into());
            return Err(self.trouble().error("cannot read the topic", error));
        }
        Ok(found.map_or(0, |topic| topic.partitions().len()))
    }

    /// The topic's id now.
    fn current_id(&self) -> Result<String> {
        let asked = raw::topic_id(self.consumer.client(), &self.address.topic, ANSWER_WITHIN);
        Ok(self.trouble().told("cannot read the topic", asked)?.unwrap_or_default())
    }

    /// Checks that the topic was not made anew under the reader.
    pub(super) fn check_id(&self) -> Result<()> {
        let id = self.current_id()?;
        if id == self.id {
            return Ok(());
        }
        let name = &self.address.topic;
        let what = format!("topic `{name}` was deleted and made anew while it was read");
        Err(JobError::configuration(what).hint(
            "what the job has read is not in the new topic: start anew with --fresh, or from a \
             savepoint of a job that reads it",
        ))
    }

    /// Where a partition begins, and where what is committed of it ends.
    pub(super) fn ends(&self, partition: i32) -> Result<Ends> {
        let asked = self.consumer.fetch_watermarks(&self.address.topic, partition, ANSWER_WITHIN);
        let what = format!("cannot read the ends of {}", self.name_of(partition));
        let (low, high) = self.trouble().told(&what, asked)?;
        Ok(Ends { low, high })
    }

    /// The offset of the first record of this time or later; `None` if there is none yet.
    pub(super) fn offset_at(&self, partition: i32, time_ms: i64) -> Result<Option<i64>> {
        let what = format!("cannot look for a time in {}", self.name_of(partition));
        let mut list = TopicPartitionList::new();
        let added =
            list.add_partition_offset(&self.address.topic, partition, Offset::Offset(time_ms));
        self.trouble().told(&what, added)?;
        let found = self.consumer.offsets_for_times(list, ANSWER_WITHIN);
        let found = self.trouble().told(&what, found)?;
        let elements = found.elements();
        Ok(elements.first().and_then(|element| match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }))
    }

    /// What people call a partition.
    pub(super) fn name_of(&self, partition: i32) -> String {
        format!("{}/{partition}", self.address.topic)
    }

    pub(super) fn trouble(&self) -> Trouble<'_> {
        Trouble { address: &self.address, context: &self.context }
    }
}
