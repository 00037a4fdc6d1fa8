//! A source that plays a script: records per partition, and between them what else may happen.

use super::cues::Cues;
use crate::error::{JobError, Result};
use crate::event::Data;
use crate::source::{Partition, Position, ReadBatch, ReadStatus, Reader, Reason, Reject, Source};
use crate::time::{Timestamp, ms};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One step of a partition's script. A record becomes one with `into()`.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<R> {
    /// A record.
    Record(R),
    /// A record that cannot be decoded, as bytes.
    Broken(Vec<u8>),
    /// The job is killed when the script first comes here, and started again.
    Crash,
    /// The source promises that no record before this time follows in the partition.
    Watermark(Timestamp),
    /// Processing time goes on by so much, once everything before is processed and committed; the
    /// script goes on when everything that follows from it is done. A script with such a step
    /// holds the clock still otherwise.
    Advance(Duration),
    /// The partition is silent until nothing else moves in the job: other partitions have come to
    /// their end or are silent too, and the clock is not to be moved any more.
    Idle,
}

impl<R> From<R> for Step<R> {
    fn from(record: R) -> Self {
        Self::Record(record)
    }
}

/// What a script can be written with: records as they are, or steps.
pub trait IntoStep {
    /// The type of the records.
    type Record;

    /// The step.
    fn into_step(self) -> Step<Self::Record>;
}

impl<R> IntoStep for Step<R> {
    type Record = R;

    fn into_step(self) -> Self {
        self
    }
}

impl<R: Data> IntoStep for R {
    type Record = R;

    fn into_step(self) -> Step<R> {
        Step::Record(self)
    }
}

/// Bytes that make any epoch full, so that it is closed.
const CLOSES_EPOCH_BYTES: usize = 1 << 40;
/// Bytes that a step counts for.
const STEP_BYTES: usize = 64;

/// Plays a script.
#[derive(Clone)]
pub struct Script<R> {
    name: String,
    partitions: Arc<Vec<Vec<Step<R>>>>,
    cues: Cues,
    batch: usize,
}

impl<R> fmt::Debug for Script<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<R> Script<R> {
    /// A script per partition for the source of this name, read in batches of `batch` records.
    #[must_use]
    pub fn new(name: &str, partitions: Vec<Vec<Step<R>>>, cues: Cues, batch: usize) -> Self {
        if partitions.iter().flatten().any(|step| matches!(step, Step::Advance(_))) {
            cues.hold_clock();
        }
        let partitions = Arc::new(partitions);
        Self { name: name.to_owned(), partitions, cues, batch: batch.max(1) }
    }
}

impl<R: Data + Sync> Source for Script<R> {
    type Record = R;

    fn partitions(&mut self) -> Result<Vec<Partition>> {
        let named = |index: usize| Partition { index: index as u16, name: format!("{index}") };
        Ok((0..self.partitions.len()).map(named).collect())
    }

    fn open(
        &mut self,
        partition: &Partition,
        from: Option<&Position>,
    ) -> Result<Box<dyn Reader<Record = R>>> {
        let at = match from {
            None => 0,
            Some(position) => postcard::from_bytes(&position.0)
                .map_err(|error| JobError::checkpoint("script position").caused_by(error))?,
        };
        let (script, partition) = (self.clone(), partition.index);
        Ok(Box::new(ScriptReader { script, partition, at, closed: None }))
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn identity(&self) -> String {
        "script".to_owned()
    }
}

struct ScriptReader<R> {
    script: Script<R>,
    partition: u16,
    at: usize,
    /// The step before which the epoch was closed.
    closed: Option<usize>,
}

impl<R: Data + Sync> ScriptReader<R> {
    fn place(&self) -> (String, u16, usize) {
        (self.script.name.clone(), self.partition, self.at)
    }

    /// Takes the next step, unless it has to be waited for.
    fn step(&mut self, batch: &mut ReadBatch<R>) -> Option<ReadStatus> {
        let partitions = Arc::clone(&self.script.partitions);
        let (cues, position) = (&self.script.cues, self.at as u64);
        match partitions[usize::from(self.partition)].get(self.at)? {
            Step::Record(record) => batch.records.push((position, record.clone())),
            Step::Broken(raw) => batch.rejects.push(Reject {
                position,
                reason: Reason::Malformed,
                error: "broken on purpose".to_owned(),
                raw: raw.clone(),
            }),
            Step::Crash if cues.crash(self.place()) => return Some(ReadStatus::Wait(ms(1))),
            Step::Watermark(promised) => {
                batch.watermark = Some(*promised);
                batch.bytes += STEP_BYTES;
            }
            Step::Advance(_) if self.closed != Some(self.at) => {
                self.closed = Some(self.at);
                batch.watermark = Some(Timestamp::MIN);
                batch.bytes += CLOSES_EPOCH_BYTES;
                return Some(ReadStatus::More);
            }
            Step::Advance(by) if !cues.advance(self.place(), *by) => {
                return Some(ReadStatus::Wait(ms(1)));
            }
            Step::Idle if !cues.idle(self.place()) => return Some(ReadStatus::Wait(ms(1))),
            Step::Crash | Step::Advance(_) | Step::Idle => {}
        }
        self.at += 1;
        None
    }
}

impl<R: Data + Sync> Reader for ScriptReader<R> {
    type Record = R;

    fn read(&mut self, batch: &mut ReadBatch<R>) -> Result<ReadStatus> {
        let length = self.script.partitions[usize::from(self.partition)].len();
        let mut status = None;
        // A promise ends the batch: it holds for what follows.
        while status.is_none()
            && self.at < length
            && batch.watermark.is_none()
            && batch.records.len() + batch.rejects.len() < self.script.batch
        {
            status = self.step(batch);
        }
        batch.bytes += (batch.records.len() + batch.rejects.len()) * STEP_BYTES;
        batch.next = Position(postcard::to_stdvec(&self.at).unwrap_or_default());
        let ended = if self.at < length { ReadStatus::More } else { ReadStatus::End };
        Ok(status.unwrap_or(ended))
    }
}
