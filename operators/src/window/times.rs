//! The stream that the tests of this folder cut into windows: a key and a time.

use crate::{EventTime, Flow, Keyed, Pane, TestJob, TestOutputs, Unset};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;
use waystream_engine::event::Data;
use waystream_engine::time::Timestamp;

pub(super) type At = (char, i64);

/// The source `times` by key.
pub(super) fn times(flow: &Flow, out_of_order: Duration) -> Keyed<char, At> {
    let event_time = EventTime::by(|at: &At| Timestamp(at.1)).out_of_order(out_of_order);
    flow.source("times", Unset, event_time).key_by(|at| at.0)
}

/// What a job puts out for these times on two workers.
pub(super) fn run(build: fn(&Flow), times: &[At]) -> TestOutputs {
    TestJob::new(build).input("times", times.to_vec()).workers([2]).run().unwrap()
}

/// The last pane of each key and start in the sink `panes`, then the events of the sink `late`.
/// Which panes come before the last depends on how far the watermark is when an event is taken.
pub(super) fn said<A: Data + Debug>(outputs: &TestOutputs) -> String {
    let panes: Vec<Pane<char, A>> = outputs.output("panes");
    let panes: BTreeMap<_, _> =
        panes.into_iter().map(|pane| ((pane.key, pane.start), pane)).collect();
    let line = |pane: Pane<char, A>| {
        format!("{} {}..{}: {:?}\n", pane.key, pane.start, pane.end, pane.value)
    };
    let late: Vec<At> = outputs.output("late");
    panes.into_values().map(line).collect::<String>() + &format!("late {late:?}\n")
}
