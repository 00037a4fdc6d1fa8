//! Counters of a running job, by the names its author gave.

use crate::source::Reason;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a source has read. Always: `accepted + rejected = read`.
#[derive(Debug, Default)]
pub struct SourceCounters {
    /// Records read.
    pub read: AtomicU64,
    /// Records handed to the job.
    pub accepted: AtomicU64,
    /// Bytes of input.
    pub bytes: AtomicU64,
    pub(crate) rejected: [AtomicU64; 6],
    /// Records behind what was read, by partition.
    lag: Mutex<BTreeMap<u16, u64>>,
}

impl SourceCounters {
    pub(crate) fn reject(&self, reason: Reason) {
        self.rejected[reason as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn set_lag(&self, partition: u16, behind: u64) {
        self.lag.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, behind);
    }

    /// Records that stand in the source behind those read, as far as it told.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.lag.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Records rejected, by reason; reasons that never occurred are left out.
    #[must_use]
    pub fn rejected(&self) -> BTreeMap<&'static str, u64> {
        use Reason::{Future, Malformed, Missing, OutOfRange, TooLarge, WrongType};
        [Malformed, Missing, WrongType, OutOfRange, TooLarge, Future]
            .into_iter()
            .map(|reason| (reason.as_str(), self.rejected[reason as usize].load(Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

/// What a keyed operator has seen.
#[derive(Debug, Default)]
pub struct OperatorCounters {
    /// Events received.
    pub received: AtomicU64,
    /// Events emitted.
    pub emitted: AtomicU64,
    /// Events that came too late to count.
    pub late: AtomicU64,
    /// State entries, as of the last checkpoint.
    pub keys: AtomicU64,
}

/// What a sink has been given and has made visible.
#[derive(Debug, Default)]
pub struct SinkCounters {
    /// Rows encoded, whether committed or not.
    pub staged: AtomicU64,
    /// Rows committed by this run.
    pub committed: AtomicU64,
}

/// What checkpoints have cost.
#[derive(Debug, Default)]
pub struct CheckpointCounters {
    /// Last durable epoch.
    pub epoch: AtomicU64,
    /// Manifests written.
    pub manifests: AtomicU64,
    /// Bytes of increments and staged rows written.
    pub bytes: AtomicU64,
}

/// All counters of a job, shared by its workers.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    sources: Table<SourceCounters>,
    operators: Table<OperatorCounters>,
    sinks: Table<SinkCounters>,
    /// Counters of the checkpoints.
    pub checkpoints: Arc<CheckpointCounters>,
}

#[derive(Debug)]
struct Table<C>(Arc<Mutex<BTreeMap<String, Arc<C>>>>);

impl<C> Clone for Table<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Default for Table<C> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<C: Default> Table<C> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<C>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, name: &str) -> Arc<C> {
        Arc::clone(self.lock().entry(name.to_owned()).or_default())
    }

    fn sum(&self, of: impl Fn(&C) -> u64) -> u64 {
        self.lock().values().map(|counters| of(counters)).sum()
    }
}

impl Metrics {
    /// The counters of a source.
    #[must_use]
    pub fn source(&self, name: &str) -> Arc<SourceCounters> {
        self.sources.get(name)
    }

    /// The counters of a keyed operator.
    #[must_use]
    pub fn operator(&self, name: &str) -> Arc<OperatorCounters> {
        self.operators.get(name)
    }

    /// The counters of a sink.
    #[must_use]
    pub fn sink(&self, name: &str) -> Arc<SinkCounters> {
        self.sinks.get(name)
    }

    /// A number that grows whenever the job does something that is counted.
    pub(crate) fn work_done(&self) -> u64 {
        let sources = self.sources.sum(|counters| counters.read.load(Relaxed));
        let operators = self.operators.sum(|counters| {
            let [received, emitted, late] =
                [&counters.received, &counters.emitted, &counters.late].map(|n| n.load(Relaxed));
            received + emitted + late
        });
        let sinks = self.sinks.sum(|sink| sink.staged.load(Relaxed) + sink.committed.load(Relaxed));
        sources + operators + sinks + self.checkpoints.manifests.load(Relaxed)
    }

    /// All sources by name.
    #[must_use]
    pub fn sources(&self) -> BTreeMap<String, Arc<SourceCounters>> {
        self.sources.lock().clone()
    }

    /// All keyed operators by name.
    #[must_use]
    pub fn operators(&self) -> BTreeMap<String, Arc<OperatorCounters>> {
        self.operators.lock().clone()
    }

    /// All sinks by name.
    #[must_use]
    pub fn sinks(&self) -> BTreeMap<String, Arc<SinkCounters>> {
        self.sinks.lock().clone()
    }
}
