//! A source as a stage: turns what was read into events, keeps each partition's watermark and
//! position, and sends what cannot be taken to the dead letters.

use super::feed::{Feed, FeedMessage, Share};
use super::published::Unpublished;
use super::{DeadLetter, EventTime, Partition, Position, Progress, ReadBatch, Reject, Source};
use crate::background::{Background, Inbox, Produced};
use crate::clock::Clock;
use crate::dataflow::{Context, Port};
use crate::error::{JobError, Result};
use crate::event::{Data, Event, Origin};
use crate::metrics::SourceCounters;
use crate::sabotage::{Sabotage, planted};
use crate::state::{Entries, Entry};
use crate::time::{Timestamp, Watermark, millis};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Chunks that wait between the reading thread and the worker; the reader waits when they are
/// full.
const CHUNKS_AHEAD: usize = 4;
/// Records handed to the dataflow at once.
const RECORDS_PER_BATCH: usize = 1024;

/// Where a source runs and what it reports to.
#[derive(Debug)]
pub(crate) struct SourceSettings {
    pub(crate) name: Arc<str>,
    pub(crate) worker: usize,
    pub(crate) workers: usize,
    pub(crate) counters: Arc<SourceCounters>,
}

/// A source as the driver sees it.
pub(crate) trait SourceStage {
    /// Takes what has been read, up to about `limit` bytes; returns the bytes taken.
    fn poll(&mut self, context: &mut Context, limit: usize) -> Result<usize>;
    /// Whether something is waiting to be taken.
    fn is_ready(&self) -> bool;
    /// Whether every partition has ended.
    fn has_ended(&self) -> bool;
    /// Counts time in which partitions could have been heard: `open_ms` is for how long sources could
    /// be read so far. Called before each poll.
    fn listen(&mut self, open_ms: i64);
    /// The least watermark of this worker's partitions.
    fn watermark(&mut self) -> Watermark;
    /// The partitions whose position changed since the last call; they belong to this epoch.
    fn take_increment(&mut self, epoch: u64) -> Result<Entries>;
    /// All epochs before this one are committed.
    fn committed_before(&mut self, frontier: u64);
    /// Applies an entry of the checkpoint the job starts from.
    fn restore(&mut self, entries: &[Entry<'_>]) -> Result<()>;
    /// Starts reading.
    fn start(&mut self, background: &Background, clock: &Arc<dyn Clock>);
}

struct PartitionState {
    name: String,
    progress: Progress,
    changed: bool,
    /// When it was heard last, in time spent listening.
    heard_ms: i64,
}

enum Input<R> {
    Waiting(Box<dyn Source<Record = R>>),
    Reading(Inbox<Result<Vec<FeedMessage<R>>>>),
    Starting,
}

/// One source on one worker.
pub(crate) struct SourceRuntime<R> {
    settings: SourceSettings,
    event_time: EventTime<R>,
    input: Input<R>,
    restored: HashMap<String, Progress>,
    partitions: Vec<PartitionState>,
    all_found: bool,
    ended: bool,
    /// Time spent listening: what backpressure takes makes nobody silent.
    listened_ms: i64,
    /// For how long sources could be read when it was looked last.
    open_ms: i64,
    unpublished: Unpublished,
    port: Port<R>,
    dead_letters: Port<DeadLetter>,
}

impl<R: Data> SourceRuntime<R> {
    pub(crate) fn new(
        settings: SourceSettings,
        source: Box<dyn Source<Record = R>>,
        event_time: EventTime<R>,
        port: Port<R>,
        dead_letters: Port<DeadLetter>,
    ) -> Self {
        Self {
            settings,
            event_time,
            input: Input::Waiting(source),
            restored: HashMap::new(),
            partitions: Vec::new(),
            all_found: false,
            ended: false,
            listened_ms: 0,
            open_ms: 0,
            unpublished: Unpublished::default(),
            port,
            dead_letters,
        }
    }

    fn take(&mut self, context: &mut Context, message: FeedMessage<R>) -> Result<usize> {
        match message {
            FeedMessage::Found(partition) => self.found(partition),
            FeedMessage::AllFound => self.all_found = true,
            FeedMessage::Ended(index) => {
                if let Some(state) = self.partition(index) {
                    state.changed |= !state.progress.ended;
                    state.progress.ended = true;
                }
            }
            FeedMessage::AllEnded => self.ended = true,
            FeedMessage::Records(index, batch) => return self.records(context, index, batch),
        }
        Ok(0)
    }

    fn found(&mut self, partition: Partition) {
        let fresh =
            Progress { index: partition.index, next: None, max_time: Timestamp::MIN, ended: false };
        let progress = self.restored.remove(&partition.name).unwrap_or(fresh);
        let progress = Progress { index: partition.index, ..progress };
        let name = partition.name;
        let heard_ms = self.listened_ms;
        self.partitions.push(PartitionState { name, progress, changed: false, heard_ms });
    }

    fn partition(&mut self, index: u16) -> Option<&mut PartitionState> {
        self.partitions.iter_mut().find(|state| state.progress.index == index)
    }

    fn records(&mut self, context: &mut Context, index: u16, batch: ReadBatch<R>) -> Result<usize> {
        let slack_ms = millis(self.event_time.out_of_order);
        let Some(at) = self.partitions.iter().position(|p| p.progress.index == index) else {
            return Err(JobError::failed(format!("records of unknown partition {index}")));
        };
        let counters = &self.settings.counters;
        counters.read.fetch_add((batch.records.len() + batch.rejects.len()) as u64, Relaxed);
        counters.accepted.fetch_add(batch.records.len() as u64, Relaxed);
        counters.bytes.fetch_add(batch.bytes as u64, Relaxed);
        let says = !batch.records.is_empty() || !batch.rejects.is_empty();
        let says = says || batch.watermark.is_some();
        let mut max = self.partitions[at].progress.max_time;
        let mut events = Vec::with_capacity(batch.records.len().min(RECORDS_PER_BATCH));
        for (position, value) in batch.records {
            let time = self.event_time.of(&value);
            let watermark = Timestamp(max.0.saturating_sub(slack_ms));
            max = max.max(time);
            events.push(Event { time, watermark, origin: Origin::new(index, position), value });
            if events.len() == RECORDS_PER_BATCH {
                let full = std::mem::replace(&mut events, Vec::with_capacity(RECORDS_PER_BATCH));
                self.port.push(context, full)?;
            }
        }
        self.port.push(context, events)?;
        if let Some(promised) = batch.watermark {
            max = max.max(Timestamp(promised.0.saturating_add(slack_ms)));
        }
        self.reject(context, at, batch.rejects)?;
        if let Some(behind) = batch.behind {
            self.settings.counters.set_lag(index, behind);
        }
        let state = &mut self.partitions[at];
        state.progress.max_time = max;
        state.progress.next = Some(batch.next);
        state.changed = true;
        if says {
            state.heard_ms = self.listened_ms;
        }
        Ok(batch.bytes)
    }

    fn reject(&mut self, context: &mut Context, at: usize, rejects: Vec<Reject>) -> Result<()> {
        let state = &self.partitions[at];
        let (index, time) = (state.progress.index, state.progress.max_time);
        let letters = rejects.into_iter().map(|reject| {
            self.settings.counters.reject(reject.reason);
            let letter = DeadLetter {
                source: self.settings.name.to_string(),
                partition: state.name.clone(),
                offset: reject.position,
                reason: reject.reason.as_str().to_owned(),
                error: reject.error,
                raw_base64: STANDARD.encode(&reject.raw),
            };
            let origin = Origin::new(index, reject.position);
            Event { time, watermark: Timestamp::MIN, origin, value: letter }
        });
        let letters = letters.collect();
        self.dead_letters.push(context, letters)
    }

    fn watermark_of(&self, state: &PartitionState) -> Option<Timestamp> {
        if state.progress.ended {
            return Some(Timestamp::MAX);
        }
        let silent_ms = self.listened_ms - state.heard_ms;
        if self.event_time.idle_after.is_some_and(|idle| silent_ms >= millis(idle)) {
            return None;
        }
        let slack_ms = millis(self.event_time.out_of_order);
        Some(Timestamp(state.progress.max_time.0.saturating_sub(slack_ms)))
    }
}

impl<R: Data> SourceStage for SourceRuntime<R> {
    fn poll(&mut self, context: &mut Context, limit: usize) -> Result<usize> {
        let mut bytes = 0;
        while bytes < limit {
            let Input::Reading(inbox) = &self.input else { break };
            let Some(messages) = inbox.try_take() else { break };
            for message in messages? {
                bytes += self.take(context, message)?;
            }
        }
        Ok(bytes)
    }

    fn is_ready(&self) -> bool {
        matches!(&self.input, Input::Reading(inbox) if !inbox.is_empty())
    }

    fn has_ended(&self) -> bool {
        self.ended
    }

    fn listen(&mut self, open_ms: i64) {
        let is_full = matches!(&self.input, Input::Reading(inbox) if inbox.is_full());
        let since_ms = open_ms - std::mem::replace(&mut self.open_ms, open_ms);
        if !is_full {
            self.listened_ms += since_ms;
        }
    }

    fn watermark(&mut self) -> Watermark {
        if !self.all_found {
            return Watermark::At(Timestamp::MIN);
        }
        if self.ended {
            return Watermark::At(Timestamp::MAX);
        }
        let times = self.partitions.iter().filter_map(|state| self.watermark_of(state));
        times.min().map_or(Watermark::Idle, Watermark::At)
    }

    fn take_increment(&mut self, epoch: u64) -> Result<Entries> {
        let mut entries = Entries::default();
        let mut positions = BTreeMap::new();
        for state in self.partitions.iter_mut().filter(|state| state.changed) {
            entries.put(0, &state.name, &state.progress)?;
            state.changed = false;
            if let Some(next) = &state.progress.next {
                let index = state.progress.index;
                let partition = Partition { index, name: state.name.clone() };
                positions.insert(index, (partition, next.clone()));
            }
        }
        self.unpublished.close(epoch, positions);
        Ok(entries)
    }

    fn committed_before(&mut self, frontier: u64) {
        self.unpublished.committed_before(frontier);
    }

    fn restore(&mut self, entries: &[Entry<'_>]) -> Result<()> {
        let bad = |error| {
            JobError::checkpoint("source position does not decode")
                .hint("run the version that wrote the checkpoint, or start anew with --fresh")
                .caused_by(error)
        };
        for entry in entries {
            let name: String = postcard::from_bytes(entry.key).map_err(bad)?;
            let Some(value) = entry.value else { continue };
            let mut progress: Progress = postcard::from_bytes(value).map_err(bad)?;
            if planted(Sabotage::WatermarkAhead) {
                progress.max_time = progress.max_time.after(crate::time::secs(1));
            }
            self.restored.insert(name, progress);
        }
        Ok(())
    }

    fn start(&mut self, background: &Background, clock: &Arc<dyn Clock>) {
        let Input::Waiting(source) = std::mem::replace(&mut self.input, Input::Starting) else {
            return;
        };
        let position = |(name, progress): (&String, &Progress)| -> Option<(String, Position)> {
            Some((name.clone(), progress.next.clone()?))
        };
        let ended = self.restored.iter().filter(|(_, progress)| progress.ended);
        let share = Share {
            worker: self.settings.worker,
            workers: self.settings.workers,
            resume: self.restored.iter().filter_map(position).collect(),
            ended: ended.map(|(name, _)| name.clone()).collect(),
            resumes: !self.restored.is_empty(),
        };
        let name = self.settings.name.to_string();
        let (published, clock) = (self.unpublished.published(), Arc::clone(clock));
        let mut feed = Feed::new(source, share, published, clock);
        let place = name.clone();
        let inbox = background.produce(&format!("source {name}"), CHUNKS_AHEAD, move || {
            let mut messages = Vec::new();
            match feed.turn(&mut messages).map_err(|error| error.at(place.clone())) {
                Err(error) => Produced::Last(Err(error)),
                Ok(_) if feed.is_finished() => Produced::Last(Ok(messages)),
                Ok(Some(wait)) if messages.is_empty() => Produced::Quiet(wait),
                Ok(_) => Produced::Item(Ok(messages)),
            }
        });
        self.input = Input::Reading(inbox);
    }
}
