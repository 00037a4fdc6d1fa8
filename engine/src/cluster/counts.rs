//! What another process has counted, added to the counters of process 0, so that progress and the
//! summary are of the whole job.

use crate::metrics::{Metrics, OperatorCounters, SinkCounters, SourceCounters};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters by name.
type Table = BTreeMap<String, Vec<u64>>;

/// All that is counted outside process 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    sources: Table,
    operators: Table,
    sinks: Table,
    checkpoint_bytes: u64,
}

fn of_source(source: &SourceCounters) -> Vec<&AtomicU64> {
    [&source.read, &source.accepted, &source.bytes].into_iter().chain(&source.rejected).collect()
}

fn of_operator(operator: &OperatorCounters) -> Vec<&AtomicU64> {
    vec![&operator.received, &operator.emitted, &operator.late]
}

fn of_sink(sink: &SinkCounters) -> Vec<&AtomicU64> {
    vec![&sink.staged]
}

fn read(counters: Vec<&AtomicU64>) -> Vec<u64> {
    counters.into_iter().map(|counter| counter.load(Relaxed)).collect()
}

impl Counts {
    /// What this process has counted so far.
    pub(super) fn of(metrics: &Metrics) -> Self {
        Self {
            sources: metrics
                .sources()
                .iter()
                .map(|(name, source)| (name.clone(), read(of_source(source))))
                .collect(),
            operators: metrics
                .operators()
                .iter()
                .map(|(name, operator)| (name.clone(), read(of_operator(operator))))
                .collect(),
            sinks: metrics
                .sinks()
                .iter()
                .map(|(name, sink)| (name.clone(), read(of_sink(sink))))
                .collect(),
            checkpoint_bytes: metrics.checkpoints.bytes.load(Relaxed),
        }
    }

    /// Adds what was counted since `before`. Names that process 0 does not know are no counters of
    /// its job.
    pub(super) fn add(&self, before: &Self, to: &Metrics) {
        add(&self.sources, &before.sources, &to.sources(), of_source);
        add(&self.operators, &before.operators, &to.operators(), of_operator);
        add(&self.sinks, &before.sinks, &to.sinks(), of_sink);
        let bytes = self.checkpoint_bytes.saturating_sub(before.checkpoint_bytes);
        to.checkpoints.bytes.fetch_add(bytes, Relaxed);
    }
}

fn add<C>(
    now: &Table,
    before: &Table,
    to: &BTreeMap<String, std::sync::Arc<C>>,
    of: fn(&C) -> Vec<&AtomicU64>,
) {
    for (name, counters) in to {
        let Some(now) = now.get(name) else { continue };
        let before = before.get(name);
        for (at, (counter, now)) in of(counters).into_iter().zip(now).enumerate() {
            let before = before.and_then(|before| before.get(at)).copied().unwrap_or(0);
            counter.fetch_add(now.saturating_sub(before), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Reason;

    #[test]
    fn what_was_counted_is_added_once() {
        let (there, here) = (Metrics::default(), Metrics::default());
        let (theirs, ours) = (there.source("a"), here.source("a"));
        ours.read.store(100, Relaxed);
        let _ = here.operator("o");
        let mut before = Counts::default();
        for round in 1..=2 {
            theirs.read.fetch_add(10, Relaxed);
            theirs.reject(Reason::Missing);
            there.operator("o").late.fetch_add(1, Relaxed);
            there.sink("unknown here").staged.fetch_add(1, Relaxed);
            let now = Counts::of(&there);
            now.add(&before, &here);
            now.add(&now, &here);
            before = now;
            assert_eq!(ours.read.load(Relaxed), 100 + 10 * round);
            assert_eq!(ours.rejected()["missing"], round);
            assert_eq!(here.operator("o").late.load(Relaxed), round);
        }
        assert!(here.sinks().is_empty());
    }
}
