//! Reads one partition: takes what the client has fetched, decodes it, and says where to go on.

use super::client::Context;
use super::mark::Mark;
use super::raw;
use super::source::Rules;
use super::topic::Topic;
use crate::format::{Decode, Rejection, Undecoded, checked, shortened};
use rdkafka::consumer::Consumer as _;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset};
use std::sync::Arc;
use std::time::Duration;
use waystream_engine::error::{JobError, Result};
use waystream_engine::event::Data;
use waystream_engine::source::{ReadBatch, ReadStatus, Reader, Reason, Reject};
use waystream_engine::time::{millis, ms};

/// Records handed over at once.
const RECORDS_PER_BATCH: usize = 1024;
/// Bytes of input after which a batch is handed over, however few its records are.
const BYTES_PER_BATCH: usize = 1 << 20;
/// How long a reader without records sleeps unless the client wakes it.
const QUIET: Duration = ms(100);
/// What a record costs beside its value.
const RECORD_OVERHEAD_BYTES: usize = 64;

/// How records are taken, and what the partition is called.
pub(super) struct Taking<R> {
    pub(super) rules: Rules<R>,
    pub(super) decoder: Box<dyn Decode<R>>,
    pub(super) name: String,
}

/// One partition.
pub(super) struct KafkaReader<R> {
    topic: Arc<Topic>,
    partition: i32,
    queue: PartitionQueue<Context>,
    /// Where to go on.
    mark: Mark,
    /// What was told last, if anything.
    told: Option<i64>,
    has_ended: bool,
    taking: Taking<R>,
}

impl<R: Data> KafkaReader<R> {
    pub(super) fn new(
        topic: Arc<Topic>,
        partition: i32,
        queue: PartitionQueue<Context>,
        mark: Mark,
        taking: Taking<R>,
    ) -> Self {
        let has_ended = mark.end.is_some_and(|end| mark.offset >= end);
        Self { topic, partition, queue, mark, told: None, has_ended, taking }
    }

    /// Lets the client do what it does on the thread of its user, such as to report trouble.
    fn serve(&self) -> Result<()> {
        match self.topic.consumer.poll(Duration::ZERO) {
            None => Ok(()),
            Some(Ok(message)) => {
                let (partition, offset) = (message.partition(), message.offset());
                Err(JobError::failed(format!(
                    "the client handed out offset {offset} of partition {partition} past its reader"
                ))
                .hint("this is a bug: please report it"))
            }
            Some(Err(error)) => self.trouble(error),
        }
    }

    /// Stops for what is lost or not allowed; goes on where the client tries again by itself.
    fn trouble(&self, error: KafkaError) -> Result<()> {
        use RDKafkaErrorCode as Code;
        let name = &self.taking.name;
        let told = |error| Err(self.topic.trouble().error(&format!("cannot read {name}"), error));
        if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
            return told(error);
        }
        match error.rdkafka_error_code() {
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation) => {
                self.topic.check_id()?;
                let ends = self.topic.ends(self.partition)?;
                self.mark.check(&self.topic.id, ends, name)?;
                let offset = self.mark.offset;
                Err(JobError::unavailable(format!(
                    "the log of `{name}` was cut off before offset {offset}"
                ))
                .hint(
                    "what was read from there cannot be taken back: start anew with --fresh, or from an \
                     older savepoint",
                )
                .caused_by(error))
            }
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
                self.topic.check_id()
            }
            Some(
                Code::TopicAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::Authentication
                | Code::BadMessage
                | Code::NotImplemented
                | Code::UnsupportedCompressionType,
            ) => told(error),
            _ => {
                tracing::debug!(target: "kafka", %error, partition = %name, "the client tries again");
                Ok(())
            }
        }
    }

    /// Where the client stands when it has nothing more: behind control records too.
    fn skip_control_records(&mut self) {
        let Ok(positions) = self.topic.consumer.position() else { return };
        let found = positions.find_partition(&self.topic.address.topic, self.partition);
        if let Some(Offset::Offset(offset)) = found.map(|found| found.offset()) {
            self.mark.offset = self.mark.offset.max(offset);
        }
    }

    /// Whether the bounded read is over when the client says that it has reached the end: that only
    /// moves forward.
    fn reached_end(&mut self) {
        if let Some(end) = self.mark.end {
            self.mark.offset = self.mark.offset.max(end);
            self.has_ended = true;
        }
    }
}

/// A message as far as it is taken.
struct Taken<'a> {
    payload: Option<&'a [u8]>,
    offset: i64,
    /// When the log took it, in milliseconds since 1970.
    logged_ms: Option<i64>,
}

impl<'a> Taken<'a> {
    fn of(message: &'a BorrowedMessage<'_>) -> Self {
        let logged_ms = message.timestamp().to_millis();
        Self { payload: message.payload(), offset: message.offset(), logged_ms }
    }
}

impl<R: Data> Taking<R> {
    fn take(&mut self, message: &Taken<'_>, batch: &mut ReadBatch<R>) -> Result<()> {
        let payload = message.payload.unwrap_or_default();
        batch.bytes += payload.len() + RECORD_OVERHEAD_BYTES;
        let position = message.offset as u64;
        match self.decode(message) {
            Ok(record) => batch.records.push((position, record)),
            Err(Undecoded::Failed(error)) => return Err(error.at(self.name.clone())),
            Err(Undecoded::Rejected(rejection)) => {
                let error = format!("{}:{position}: {}", self.name, rejection.error);
                let raw = shortened(payload);
                batch.rejects.push(Reject { position, reason: rejection.reason, error, raw });
            }
        }
        Ok(())
    }

    fn decode(&mut self, message: &Taken<'_>) -> Result<R, Undecoded> {
        let Some(payload) = message.payload else {
            return Err(Rejection::new(Reason::Missing, "the record has no value").into());
        };
        let record = checked(self.decoder.decode(payload)?, self.rules.check)?;
        self.check_future(&record, message.logged_ms)?;
        Ok(record)
    }

    /// A record may lift the watermark only up to a bound that is in the log itself, so that a replay
    /// decides as the live run did.
    fn check_future(&self, record: &R, logged_ms: Option<i64>) -> Result<(), Rejection> {
        let Rules { time_of: Some(time_of), max_future: Some(max), .. } = self.rules else {
            return Ok(());
        };
        let (at, Some(logged_ms)) = (time_of(record), logged_ms) else { return Ok(()) };
        let ahead_ms = at.0.saturating_sub(logged_ms);
        if ahead_ms <= millis(max) {
            return Ok(());
        }
        let error = format!("its time is {ahead_ms} ms after the time at which the log took it");
        Err(Rejection::new(Reason::Future, error))
    }
}

impl<R: Data> Reader for KafkaReader<R> {
    type Record = R;

    fn read(&mut self, batch: &mut ReadBatch<R>) -> Result<ReadStatus> {
        self.serve()?;
        let mut status = ReadStatus::More;
        while !self.has_ended
            && batch.records.len() + batch.rejects.len() < RECORDS_PER_BATCH
            && batch.bytes < BYTES_PER_BATCH
        {
            match self.queue.poll(Duration::ZERO) {
                None => {
                    status = ReadStatus::Wait(QUIET);
                    break;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => self.reached_end(),
                Some(Err(error)) => self.trouble(error)?,
                Some(Ok(message)) => {
                    let taken = Taken::of(&message);
                    let is_beyond = self.mark.end.is_some_and(|end| taken.offset >= end);
                    if !is_beyond {
                        self.taking.take(&taken, batch)?;
                        self.mark.leader_epoch = raw::leader_epoch(&message);
                        self.mark.offset = taken.offset + 1;
                    }
                    self.has_ended = self.mark.end.is_some_and(|end| taken.offset + 1 >= end);
                }
            }
        }
        if matches!(status, ReadStatus::Wait(_)) {
            self.skip_control_records();
        }
        if self.told != Some(self.mark.offset) {
            self.told = Some(self.mark.offset);
            batch.next = self.mark.encode()?;
            let (client, topic) = (self.topic.consumer.client(), &self.topic.address.topic);
            let end = raw::known_end(client, topic, self.partition);
            batch.behind = end.map(|end| end.saturating_sub(self.mark.offset).max(0) as u64);
        }
        Ok(if self.has_ended { ReadStatus::End } else { status })
    }
}
