//! One worker: builds its part of the dataflow, restores its share of the state, and turns until
//! everything is committed.

use crate::background::Background;
use crate::checkpoint::{Folder, Manifest, restore};
use crate::dataflow::{
    Graph, LedgerLine, Node, NodeKind, Probes, SegmentSettings, Shared, SharedSettings, build,
};
use crate::error::{JobError, Result};
use crate::failure::Failure;
use crate::key::{KEY_GROUPS, worker_of_group};
use crate::sabotage::{Sabotage, planted};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::Duration;
use timely::worker::Worker;

/// The longest a worker sleeps; bounds how late a stop or a processing-time timer is seen.
const MAX_PARK_MS: u64 = 50;

/// A worker with its dataflow.
pub(crate) struct WorkerRun {
    worker: Worker,
    shared: Shared,
    probes: Probes,
}

/// Everything a worker is started with.
pub(crate) struct WorkerStart {
    pub(crate) graph: Graph,
    pub(crate) manifest: Manifest,
    pub(crate) folder: Folder,
    pub(crate) settings: SharedSettings,
    pub(crate) segments: SegmentSettings,
    pub(crate) line: Option<LedgerLine>,
    pub(crate) background: Background,
    pub(crate) failure: Failure,
}

impl WorkerRun {
    /// Restores the worker's share of the state and builds its dataflow.
    pub(crate) fn start(mut worker: Worker, start: WorkerStart) -> Result<Self> {
        let groups = groups_of(worker.index(), worker.peers());
        let mut graph = start.graph;
        restore_graph(&mut graph, &start.folder, &start.manifest, &groups)?;
        graph.refill(worker.index(), worker.peers())?;
        let shared = Shared::new(start.settings, start.background, start.failure);
        let probes = worker.dataflow::<u64, _, _>(|scope| {
            build(scope, graph, start.segments, start.line, &shared)
        });
        Ok(Self { worker, shared, probes })
    }

    /// Takes one turn without sleeping; false when there is nothing left to do.
    pub(crate) fn turn(&mut self) -> bool {
        self.turn_or_park(Duration::ZERO)
    }

    /// Turns until everything is committed or the job has failed.
    pub(crate) fn run(&mut self) {
        loop {
            let ms = self.shared.ms_to_next_epoch().clamp(0, MAX_PARK_MS as i64);
            if !self.turn_or_park(Duration::from_millis(ms as u64)) {
                return;
            }
        }
    }

    fn turn_or_park(&mut self, park: Duration) -> bool {
        self.probes.update(&mut self.shared.gate.borrow_mut());
        if self.shared.failure.is_set() || self.probes.is_done() {
            return false;
        }
        self.shared.gate.borrow_mut().look(self.shared.clock.ticks_ms());
        self.shared.activate_wanted();
        self.worker.step_or_park(Some(park));
        true
    }
}

impl Drop for WorkerRun {
    fn drop(&mut self) {
        self.shared.background.stop();
    }
}

/// The key groups a worker owns.
fn groups_of(worker: usize, workers: usize) -> Range<u16> {
    let owned = |group: &u16| worker_of_group(*group, workers) == worker;
    let first = (0..KEY_GROUPS).find(owned).unwrap_or(KEY_GROUPS);
    let end = (0..KEY_GROUPS).rev().find(owned).map_or(first, |last| last + 1);
    first..end
}

fn restore_graph(
    graph: &mut Graph,
    folder: &Folder,
    manifest: &Manifest,
    groups: &Range<u16>,
) -> Result<()> {
    let mut by_name: HashMap<String, &mut Node> =
        graph.nodes.iter_mut().map(|node| (node.name.to_string(), node)).collect();
    let mut manifest = manifest.clone();
    if planted(Sabotage::StateOfOlderEpoch) {
        manifest.segments.pop();
    }
    let keyed: HashSet<String> = by_name
        .iter()
        .filter(|(_, node)| matches!(node.kind, NodeKind::Keyed(_)))
        .map(|(name, _)| name.clone())
        .collect();
    // A partition may be read by any worker, so each takes the positions of all.
    let share =
        |section: &str| if keyed.contains(section) { groups.clone() } else { 0..KEY_GROUPS };
    restore(folder, &manifest, share, |section, entries| {
        let node = by_name.get_mut(section).ok_or_else(|| {
            JobError::configuration(format!("state of `{section}`, which the job does not have"))
                .hint("run the job that wrote it, or start anew with --fresh")
        })?;
        match &mut node.kind {
            NodeKind::Source(source) => source.restore(entries),
            NodeKind::Keyed(stage) => stage.restore(entries),
        }
    })
}
