//! A source that plays a script: records per partition, with crash markers in between.

use crate::error::{JobError, Result};
use crate::event::Data;
use crate::source::{Partition, Position, ReadBatch, ReadStatus, Reader, Reason, Reject, Source};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// One step of a partition's script.
#[derive(Clone, Debug)]
pub enum Step<R> {
    /// A record.
    Record(R),
    /// A record that cannot be decoded.
    Broken(Vec<u8>),
    /// The job is killed when the script first comes here.
    Crash,
}

/// Remembers which crash markers have been hit, across restarts of the job.
#[derive(Clone, Debug, Default)]
pub struct CrashMarkers(Arc<Mutex<Markers>>);

#[derive(Debug, Default)]
struct Markers {
    passed: BTreeSet<(u16, usize)>,
    pending: bool,
}

impl CrashMarkers {
    /// Whether the job is to be killed now; asking clears it.
    #[must_use]
    pub fn take_pending(&self) -> bool {
        let mut markers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut markers.pending)
    }

    /// Passes a marker; true the first time.
    fn hit(&self, partition: u16, step: usize) -> bool {
        let mut markers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = markers.passed.insert((partition, step));
        markers.pending |= first;
        first
    }
}

/// Plays a script.
#[derive(Clone)]
pub struct Script<R> {
    partitions: Arc<Vec<Vec<Step<R>>>>,
    markers: CrashMarkers,
    batch: usize,
}

impl<R> fmt::Debug for Script<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("partitions", &self.partitions.len()).finish_non_exhaustive()
    }
}

impl<R> Script<R> {
    /// A script per partition, read in batches of `batch` records.
    #[must_use]
    pub fn new(partitions: Vec<Vec<Step<R>>>, markers: CrashMarkers, batch: usize) -> Self {
        Self { partitions: Arc::new(partitions), markers, batch: batch.max(1) }
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
        Ok(Box::new(ScriptReader { script: self.clone(), partition: partition.index, at }))
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
}

impl<R: Data + Sync> Reader for ScriptReader<R> {
    type Record = R;

    fn read(&mut self, batch: &mut ReadBatch<R>) -> Result<ReadStatus> {
        let steps = &self.script.partitions[usize::from(self.partition)];
        while batch.records.len() + batch.rejects.len() < self.script.batch {
            let Some(step) = steps.get(self.at) else { break };
            match step {
                Step::Record(record) => batch.records.push((self.at as u64, record.clone())),
                Step::Broken(raw) => batch.rejects.push(Reject {
                    position: self.at as u64,
                    reason: Reason::Malformed,
                    error: "broken on purpose".to_owned(),
                    raw: raw.clone(),
                }),
                Step::Crash => {
                    self.script.markers.hit(self.partition, self.at);
                }
            }
            self.at += 1;
        }
        batch.bytes = (batch.records.len() + batch.rejects.len()) * 64;
        batch.next = Position(postcard::to_stdvec(&self.at).unwrap_or_default());
        Ok(if self.at < steps.len() { ReadStatus::More } else { ReadStatus::End })
    }
}
