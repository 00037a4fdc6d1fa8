//! Makes rows visible in a topic: one transaction for each payment, found again by its marker.

use super::address::Address;
use super::delivery::{Delivery, Guarantee};
use super::frame::frames;
use super::marker::{Marker, newest_marker};
use super::producer::{Failed, Producer};
use super::topics::{Shape, Topics};
use crate::format::Prefix;
use std::time::Duration;
use waystream_engine::checkpoint::Confirmed;
use waystream_engine::clock::{Clock, SystemClock};
use waystream_engine::error::{JobError, Result};
use waystream_engine::sink::{Committer, Run, StagedBatch};
use waystream_engine::time::{Epoch, millis, ms, secs};

/// How long brokers that do not answer are waited for when the job was asked to stop.
const RETRY_WHILE_STOPPING: Duration = secs(15);
/// How long a start waits for them.
const RETRY_AT_START: Duration = secs(60);
/// The pause before the first and the longest before later tries.
const PAUSES: (Duration, Duration) = (ms(100), secs(2));

/// Pays one topic.
#[derive(Debug)]
pub(super) struct KafkaCommitter {
    address: Address,
    delivery: Delivery,
    run: Option<Run>,
    producer: Option<Producer>,
    topic_id: String,
    /// What says in front of each value which schema it has.
    prefix: (Box<dyn Prefix>, Vec<u8>),
    /// The topic holds the rows up to this epoch.
    done: Epoch,
}

impl KafkaCommitter {
    pub(super) fn new(address: Address, delivery: Delivery, prefix: Box<dyn Prefix>) -> Self {
        let (topic_id, done, prefix) = (String::new(), Epoch(0), (prefix, Vec::new()));
        Self { address, delivery, run: None, producer: None, topic_id, prefix, done }
    }

    fn run(&self) -> Result<&Run> {
        self.run.as_ref().ok_or_else(|| JobError::failed("a sink was not told its run"))
    }

    fn is_exactly_once(&self) -> bool {
        self.delivery.guarantee == Guarantee::ExactlyOnce
    }

    /// Has the topics made or checked, and notes which topic it is.
    fn reach_topics(&mut self) -> Result<()> {
        let Delivery { partitions, replication, .. } = self.delivery;
        let topics = Topics::at(&self.address)?;
        let shape = Shape { partitions, replication, is_compacted: false };
        self.topic_id = topics.ensure(&self.address, shape)?;
        if self.is_exactly_once() {
            let shape = Shape { partitions: Some(1), replication, is_compacted: true };
            topics.ensure(&self.delivery.marker_address(&self.address), shape)?;
        }
        Ok(())
    }

    /// Sets up a producer that has fenced all before it, and reads what they have completed.
    fn take_over(&mut self, goes_on: &dyn Fn() -> bool) -> Result<Option<Marker>, Failed> {
        self.producer = None;
        let producer = Producer::new(&self.address, &self.delivery).map_err(Failed::Fatal)?;
        producer.take_over(goes_on)?;
        self.producer = Some(producer);
        if !self.is_exactly_once() {
            return Ok(None);
        }
        let markers = self.delivery.marker_address(&self.address);
        newest_marker(&markers, &self.address.topic).map_err(Failed::Unknown)
    }

    /// From where the topic is to be gone on with, by what the marker and the checkpoint say.
    fn agree(&self, marker: Option<&Marker>, confirmed: Option<&Confirmed>) -> Result<Epoch> {
        let run = self.run()?;
        let confirmed_epoch = confirmed.map_or(Epoch(0), |confirmed| confirmed.epoch);
        let topic = &self.address.topic;
        let refused = if let Some(was) = confirmed.filter(|was| was.position != self.position()) {
            let (was, is) = (&was.position, self.position());
            format!("the checkpoint says that rows went to topic {was}, here is {is}")
        } else {
            match marker {
                _ if !self.is_exactly_once() => return Ok(confirmed_epoch),
                None if confirmed.is_none() => return Ok(Epoch(0)),
                // A run that ended before its first epoch has claimed the topic, and written no row.
                Some(marker) if confirmed.is_none() && marker.epoch == Epoch(0) => {
                    return Ok(Epoch(0));
                }
                None => format!(
                    "topic `{}` holds no marker, and the checkpoint says that `{topic}` is complete up to \
                     epoch {confirmed_epoch}",
                    self.delivery.marker_topic
                ),
                Some(marker) if !run.lineage.contains(&marker.history) => format!(
                    "topic `{topic}` holds rows of job and sink of these names from another history, \
                     up to its epoch {}",
                    marker.epoch
                ),
                Some(marker) if marker.epoch > run.epoch => format!(
                    "topic `{topic}` holds rows up to epoch {}, the job goes on from epoch {}: rows after \
                     it would be there twice",
                    marker.epoch, run.epoch
                ),
                Some(marker) if marker.epoch < confirmed_epoch => format!(
                    "the marker of topic `{topic}` says epoch {}, the checkpoint {confirmed_epoch}: \
                     it is another cluster's, or markers were lost",
                    marker.epoch
                ),
                Some(marker) => return Ok(marker.epoch),
            }
        };
        if self.delivery.appends {
            tracing::warn!("{refused}; rows are added to it, as existing=append says");
            return Ok(confirmed_epoch.min(run.epoch));
        }
        Err(JobError::configuration(refused).hint(
            "name another topic with --sink, or have rows added to what is there by ?existing=append in \
             its URL; then some may be there twice",
        ))
    }

    /// Which topic it is, for the checkpoint.
    fn position(&self) -> String {
        format!("{} {}", self.address.topic, self.topic_id).trim_end().to_owned()
    }

    fn marker(&self, epoch: Epoch) -> Result<Marker> {
        let run = self.run()?;
        let history = run.lineage.last().cloned().unwrap_or_default();
        let (generation, topic) = (run.generation, self.address.topic.clone());
        Ok(Marker { history, epoch, generation, topic })
    }

    /// One try to have the rows in the topic, complete up to an epoch.
    fn transact(
        &self,
        epoch: Epoch,
        batches: &[StagedBatch],
        goes_on: &dyn Fn() -> bool,
    ) -> Result<(), Failed> {
        let Some(producer) = &self.producer else {
            return Err(Failed::Unknown(JobError::failed("there is no producer")));
        };
        let marker =
            self.marker(epoch).and_then(|marker| marker.encode()).map_err(Failed::Fatal)?;
        let key = self.address.topic.as_str();
        let marker = (self.delivery.marker_topic.as_str(), key, marker.as_str());
        let marker = self.is_exactly_once().then_some(marker);
        let rows = batches.iter().flat_map(|batch| frames(&batch.bytes));
        producer.transact(rows, &self.prefix.1, marker, goes_on)
    }

    /// Has the rows in the topic, once, however often it takes.
    fn pay(&mut self, epoch: Epoch, batches: &[StagedBatch], patience: Duration) -> Result<()> {
        let tries = Tries::new(self.run()?, patience);
        loop {
            let opened_ms = SystemClock.ticks_ms();
            let Err(failed) = self.transact(epoch, batches, &|| tries.go_on()) else {
                return Ok(());
            };
            let marker = self.find_out(failed, opened_ms, &tries)?;
            if marker.is_some() && marker == Some(self.marker(epoch)?) {
                return Ok(());
            }
        }
    }

    /// After a failure: sets up another producer, and asks what the last one has completed.
    fn find_out(
        &mut self,
        failed: Failed,
        opened_ms: i64,
        tries: &Tries,
    ) -> Result<Option<Marker>> {
        let (mut failed, mut pause) = (failed, PAUSES.0);
        loop {
            let error = self.judge(failed, opened_ms)?;
            if !tries.go_on() {
                return Err(self.given_up(error, tries.begun_ms));
            }
            tracing::warn!(%error, "a transaction failed; asking the marker, then trying again");
            std::thread::park_timeout(pause);
            pause = (pause * 2).min(PAUSES.1);
            failed = match self.take_over(&|| tries.go_on()) {
                Ok(marker) => return Ok(marker),
                Err(failed) => failed,
            };
        }
    }

    /// Whether a failure may be mended by trying again; gives back what to say meanwhile.
    fn judge(&self, failed: Failed, opened_ms: i64) -> Result<JobError> {
        let (run, id) = (self.run()?, &self.delivery.transactional_id);
        if !matches!(failed, Failed::Fatal(_)) && !(run.is_current)()? {
            let what = format!("another run of the job has taken over; transactional id `{id}`");
            return Err(JobError::unavailable(what)
                .hint("one of them is enough: this one ends, the other goes on"));
        }
        match failed {
            Failed::Fatal(error) => Err(error),
            Failed::Unknown(error) => Ok(error),
            Failed::Fenced(error) => {
                // Brokers that end a transaction for its age say so in the same words.
                let open_ms = SystemClock.ticks_ms() - opened_ms;
                if open_ms * 10 >= millis(self.delivery.transaction_timeout) * 8 {
                    return Ok(error);
                }
                let what = format!("another producer uses the transactional id `{id}`");
                Err(JobError::unavailable(what).hint(
                    "two jobs of one name write to one cluster: name another id for one of them with \
                     transactional-id=ID and markers=TOPIC",
                ))
            }
        }
    }

    fn given_up(&self, error: JobError, begun_ms: i64) -> JobError {
        let seconds = (SystemClock.ticks_ms() - begun_ms) / 1000;
        JobError::unavailable(format!(
            "rows for topic `{}` could not be written for {seconds} s; they stay in the checkpoint",
            self.address.topic
        ))
        .hint("when Kafka answers, run the job again, or pay what it owes with `waystream settle`")
        .caused_by(error)
    }
}

/// How long it is tried again.
struct Tries {
    begun_ms: i64,
    patience: Duration,
    run: Run,
    stopping_ms: std::cell::Cell<Option<i64>>,
}

impl Tries {
    fn new(run: &Run, patience: Duration) -> Self {
        let (run, begun_ms) = (run.clone(), SystemClock.ticks_ms());
        Self { begun_ms, patience, run, stopping_ms: std::cell::Cell::new(None) }
    }

    fn go_on(&self) -> bool {
        let now_ms = SystemClock.ticks_ms();
        if self.run.stop.is_requested() {
            let since_ms = self.stopping_ms.get().unwrap_or(now_ms);
            self.stopping_ms.set(Some(since_ms));
            if now_ms - since_ms >= millis(RETRY_WHILE_STOPPING) {
                return false;
            }
        }
        now_ms - self.begun_ms < millis(self.patience)
    }
}

impl Committer for KafkaCommitter {
    fn begin(&mut self, run: &Run) {
        self.run = Some(run.clone());
    }

    fn recover(&mut self, confirmed: Option<&Confirmed>) -> Result<()> {
        self.reach_topics()?;
        self.prefix.1 = self.prefix.0.prefix()?;
        let tries = Tries::new(self.run()?, RETRY_AT_START);
        let marker = match self.take_over(&|| tries.go_on()) {
            Ok(marker) => marker,
            Err(failed) => self.find_out(failed, tries.begun_ms, &tries)?,
        };
        self.done = self.agree(marker.as_ref(), confirmed)?;
        let ours = self.marker(self.done)?;
        let is_ours = marker.is_some_and(|marker| {
            marker.history == ours.history
                && marker.epoch == ours.epoch
                && marker.topic == ours.topic
        });
        // Claims the topic for this history: from here on markers are compared within one.
        if self.is_exactly_once() && !is_ours {
            self.pay(self.done, &[], RETRY_AT_START)?;
        }
        Ok(())
    }

    fn commit(&mut self, epoch: Epoch, mut batches: Vec<StagedBatch>) -> Result<Option<Confirmed>> {
        batches.retain(|batch| batch.epoch > self.done && batch.rows > 0);
        if !batches.is_empty() {
            self.pay(epoch, &batches, self.delivery.retry_for)?;
            self.done = epoch;
        }
        Ok(Some(Confirmed { epoch, position: self.position() }))
    }

    fn finish(&mut self, _: Epoch) -> Result<Option<Confirmed>> {
        Ok(None)
    }
}
