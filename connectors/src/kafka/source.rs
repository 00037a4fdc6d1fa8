//! The source over a topic: finds its partitions, and opens each where the checkpoint says.

use super::address::Address;
use super::mark::{Ends, Mark};
use super::raw;
use super::reader::{KafkaReader, Taking};
use super::start::{From, Until};
use super::topic::Topic;
use crate::format::{Check, Choice, READING};
use crate::url::Url;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use waystream_engine::error::{ErrorKind, JobError, Result};
use waystream_engine::event::Data;
use waystream_engine::source::{Partition, Position, Reader, Source};
use waystream_engine::spec::OpenContext;
use waystream_engine::time::{Timestamp, secs};

/// How often a topic is asked for new partitions.
const DISCOVER_EVERY: Duration = secs(30);

/// What a job says about its records, wherever they come from.
pub(crate) struct Rules<R> {
    /// A check of every record.
    pub(crate) check: Option<Check<R>>,
    /// How event time is read from a record.
    pub(crate) time_of: Option<fn(&R) -> Timestamp>,
    /// How far a record may lie ahead of the time at which the log took it.
    pub(crate) max_future: Option<Duration>,
}

impl<R> Clone for Rules<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Rules<R> {}

/// A topic as a source.
pub(crate) struct KafkaSource<R> {
    address: Address,
    format: Choice,
    from: From,
    until: Option<Until>,
    /// The group that offsets are published to; none if empty.
    group: String,
    /// Whether to go on behind records that were removed before they were read.
    goes_on_behind_loss: bool,
    discover_every: Duration,
    rules: Rules<R>,
    resumes: bool,
    /// How many partitions there were at the first look.
    first: Option<usize>,
    topic: Option<Arc<Topic>>,
}

impl<R> fmt::Debug for KafkaSource<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSource").field("address", &self.address).finish_non_exhaustive()
    }
}

impl<R: Data> KafkaSource<R> {
    /// Makes the source; nothing is asked of the brokers yet.
    pub(crate) fn new(url: &Url, rules: Rules<R>, context: &OpenContext) -> Result<Self> {
        let own = ["from", "until", "group", "lost", "discover", "properties"];
        url.allow(&[&own[..], &READING].concat())?;
        let goes_on_behind_loss = match url.get("lost") {
            None | Some("stop") => false,
            Some("earliest") => true,
            Some(other) => {
                return Err(JobError::configuration(format!("`lost={other}` is not known"))
                    .hint("write lost=stop or lost=earliest"));
            }
        };
        let group = match url.get("group") {
            None => format!("{}.{}", context.history.job, context.name),
            Some("none") => String::new(),
            Some(group) => group.to_owned(),
        };
        let address = Address::of(url)?;
        let authorization = address.settings.registry_authorization();
        let format = Choice::of(url, &address.topic, authorization)?;
        // Said now, not when the job runs.
        format.decoder::<R>()?;
        Ok(Self {
            address,
            format,
            from: From::of(url)?,
            until: Until::of(url)?,
            group,
            goes_on_behind_loss,
            discover_every: url.duration("discover")?.unwrap_or(DISCOVER_EVERY),
            rules,
            resumes: false,
            first: None,
            topic: None,
        })
    }

    fn topic(&mut self) -> Result<Arc<Topic>> {
        if let Some(topic) = &self.topic {
            return Ok(Arc::clone(topic));
        }
        let group = if self.group.is_empty() { "waystream" } else { &self.group };
        let topic = Arc::new(Topic::open(&self.address, group, self.is_bounded())?);
        self.topic = Some(Arc::clone(&topic));
        Ok(topic)
    }

    /// Where a partition is begun that no checkpoint knows.
    fn beginning(&self, topic: &Topic, partition: i32, ends: Ends) -> Result<i64> {
        let has_appeared =
            self.resumes || self.first.is_some_and(|first| partition as usize >= first);
        if has_appeared {
            return Ok(ends.low);
        }
        match &self.from {
            From::Earliest => Ok(ends.low),
            From::Latest => Ok(ends.high),
            From::Time(ms) => Ok(topic.offset_at(partition, *ms)?.unwrap_or(ends.high)),
            From::Offsets(offsets) => {
                let offset = offsets.get(&partition).copied().unwrap_or(ends.low);
                if (ends.low..=ends.high).contains(&offset) {
                    return Ok(offset);
                }
                let (name, Ends { low, high }) = (topic.name_of(partition), ends);
                let what = format!("`{name}` has no offset {offset}: it holds {low} to {high}");
                Err(JobError::configuration(what).hint("name an offset in this range with from="))
            }
        }
    }

    /// Where a bounded read of a partition ends.
    fn end(&self, topic: &Topic, partition: i32, ends: Ends) -> Result<Option<i64>> {
        Ok(match self.until {
            None => None,
            Some(Until::End) => Some(ends.high),
            Some(Until::Time(ms)) => {
                Some(topic.offset_at(partition, ms)?.unwrap_or(ends.high).min(ends.high))
            }
        })
    }

    /// The position to go on from, checked against what the partition holds now.
    fn resumed(&self, topic: &Topic, position: &Position, name: &str, ends: Ends) -> Result<Mark> {
        let mark = Mark::decode(position, name)?;
        match mark.check(&topic.id, ends, name) {
            Err(_)
                if self.goes_on_behind_loss
                    && mark.topic_id == topic.id
                    && mark.offset < ends.low =>
            {
                let lost = ends.low - mark.offset;
                tracing::error!(
                    partition = name,
                    lost,
                    "offsets were removed before they were read; going on behind them, as lost=earliest says"
                );
                Ok(Mark { offset: ends.low, leader_epoch: -1, ..mark })
            }
            checked => checked.map(|()| mark),
        }
    }
}

impl<R: Data> Source for KafkaSource<R> {
    type Record = R;

    fn begin(&mut self, resumes: bool) {
        self.resumes = resumes;
    }

    fn partitions(&mut self) -> Result<Vec<Partition>> {
        let is_first = self.topic.is_none();
        let topic = self.topic()?;
        let count = match topic.count().and_then(|count| topic.check_id().map(|()| count)) {
            Ok(count) => count,
            Err(error) if is_first || error.kind == ErrorKind::Configuration => {
                return Err(error);
            }
            // Brokers that do not answer now are no reason to stop a job that runs.
            Err(error) => {
                tracing::warn!(%error, "cannot look for new partitions");
                self.first.unwrap_or(0)
            }
        };
        self.first.get_or_insert(count);
        let partition =
            |index: usize| Partition { index: index as u16, name: topic.name_of(index as i32) };
        Ok((0..count.min(usize::from(u16::MAX))).map(partition).collect())
    }

    fn open(
        &mut self,
        partition: &Partition,
        from: Option<&Position>,
    ) -> Result<Box<dyn Reader<Record = R>>> {
        let topic = self.topic()?;
        let index = i32::from(partition.index);
        let ends = topic.ends(index)?;
        let mark = match from {
            Some(position) => self.resumed(&topic, position, &partition.name, ends)?,
            None => {
                let offset = self.beginning(&topic, index, ends)?;
                let end = self.end(&topic, index, ends)?;
                Mark { topic_id: topic.id.clone(), offset, leader_epoch: -1, end }
            }
        };
        let Some(mut queue) = topic.consumer.split_partition_queue(&self.address.topic, index)
        else {
            let what = format!("the client has no queue for {}", partition.name);
            return Err(JobError::unavailable(what).hint("run the job again"));
        };
        let reading = std::thread::current();
        queue.set_nonempty_callback(move || reading.unpark());
        let mut list = TopicPartitionList::new();
        let told =
            |result| topic.trouble().told(&format!("cannot read {}", partition.name), result);
        told(list.add_partition_offset(&self.address.topic, index, Offset::Offset(mark.offset)))?;
        raw::set_leader_epoch(&mut list, mark.leader_epoch);
        told(topic.consumer.incremental_assign(&list))?;
        let taking = Taking {
            rules: self.rules,
            decoder: self.format.decoder()?,
            name: partition.name.clone(),
        };
        Ok(Box::new(KafkaReader::new(topic, index, queue, mark, taking)))
    }

    fn discover_every(&self) -> Duration {
        self.discover_every
    }

    fn committed(&mut self, positions: Vec<(Partition, Position)>) {
        let Some(topic) = self.topic.as_ref().filter(|_| !self.group.is_empty()) else { return };
        let mut list = TopicPartitionList::new();
        for (partition, position) in positions {
            let Ok(mark) = Mark::decode(&position, &partition.name) else { continue };
            let (index, offset) = (i32::from(partition.index), Offset::Offset(mark.offset));
            if list.add_partition_offset(&self.address.topic, index, offset).is_err() {
                return;
            }
        }
        if let Err(error) = topic.consumer.commit(&list, CommitMode::Async) {
            tracing::warn!(target: "kafka", %error, "offsets were not published to the group");
        }
    }

    fn is_bounded(&self) -> bool {
        self.until.is_some()
    }

    fn identity(&self) -> String {
        let until = if self.is_bounded() { " to its end" } else { "" };
        format!("kafka topic {}{until}", self.address.topic)
    }
}
