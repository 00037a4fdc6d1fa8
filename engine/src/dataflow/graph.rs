//! Builds the timely dataflow of one worker from the job's stages and edges.

use super::coordinator::{LedgerLine, add_coordinator};
use super::edge::Parcel;
use super::gate::Gate;
use super::persist::{SegmentSettings, add_persist};
use super::port::Context;
use super::source_driver::add_source;
use super::stage::{Part, Stage, StageId};
use super::stage_driver::add_stage;
use crate::background::Background;
use crate::clock::Clock;
use crate::error::{JobError, Result};
use crate::failure::Failure;
use crate::job::StopSignal;
use crate::sabotage::{Sabotage, planted};
use crate::source::SourceStage;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::dataflow::{Scope, Stream};
use timely::scheduling::Activator;

pub(super) type ParcelStream<'scope> = Stream<'scope, u64, Vec<Parcel>>;
pub(super) type PartStream<'scope> = Stream<'scope, u64, Vec<Part>>;

/// What every driver of a worker shares.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    /// The clock's ticks when this process was told to start. No process looks at the time of another,
    /// so clocks that differ delay nothing.
    pub(crate) started_ms: i64,
    pub(crate) interval_ms: i64,
    pub(crate) first_epoch: u64,
    pub(crate) stop: StopSignal,
    pub(crate) failure: Failure,
    pub(crate) background: Background,
    pub(crate) gate: Rc<RefCell<Gate>>,
    target: Rc<Cell<u64>>,
    calls: Rc<RefCell<Vec<Call>>>,
}

/// An operator to be activated when a condition holds.
struct Call {
    activator: Activator,
    wanted: Box<dyn Fn() -> bool>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("gate", &self.gate).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(settings: SharedSettings, background: Background, failure: Failure) -> Self {
        Self {
            clock: settings.clock,
            started_ms: settings.started_ms,
            interval_ms: settings.interval_ms.max(1),
            first_epoch: settings.first_epoch,
            stop: settings.stop,
            failure,
            background,
            gate: Rc::new(RefCell::new(settings.gate)),
            target: Rc::new(Cell::new(0)),
            calls: Rc::default(),
        }
    }

    /// The epoch that the clock says is open now.
    pub(super) fn clock_epoch(&self) -> u64 {
        let since_ms = (self.clock.ticks_ms() - self.started_ms).max(0);
        self.first_epoch + (since_ms / self.interval_ms) as u64
    }

    /// The epoch that should be open now: by the clock, or because somebody had to close early.
    pub(super) fn due_epoch(&self) -> u64 {
        self.clock_epoch().max(self.target.get())
    }

    pub(super) fn raise_target(&self, epoch: u64) {
        self.target.set(self.target.get().max(epoch));
    }

    pub(super) fn call_when(&self, activator: Activator, wanted: Box<dyn Fn() -> bool>) {
        self.calls.borrow_mut().push(Call { activator, wanted });
    }

    /// Activates every operator whose condition holds.
    pub(crate) fn activate_wanted(&self) {
        for call in self.calls.borrow().iter().filter(|call| (call.wanted)()) {
            call.activator.activate();
        }
    }

    /// Milliseconds until the clock closes the open epoch.
    pub(crate) fn ms_to_next_epoch(&self) -> i64 {
        let since_ms = (self.clock.ticks_ms() - self.started_ms).max(0);
        self.interval_ms - since_ms % self.interval_ms
    }
}

/// What [`Shared`] is made from.
#[derive(Debug)]
pub(crate) struct SharedSettings {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) started_ms: i64,
    pub(crate) interval_ms: i64,
    pub(crate) first_epoch: u64,
    pub(crate) stop: StopSignal,
    pub(crate) gate: Gate,
}

/// A job's stages on one worker, in an order in which every edge points forward.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<(StageId, StageId)>,
    /// Stages with a table behind them that is shown.
    pub(crate) shown: BTreeSet<StageId>,
}

impl Graph {
    /// Fills the tables that are shown from what was restored.
    pub(crate) fn refill(&mut self, worker: usize, workers: usize) -> Result<()> {
        let mut context = Context::refill(worker, workers);
        for node in self.nodes.iter_mut().filter(|node| self.shown.contains(&node.id)) {
            if let NodeKind::Keyed(stage) = &mut node.kind {
                let at = |error: JobError| error.at(format!("operator {}", node.name));
                stage.refill(&mut context).map_err(at)?;
            }
        }
        Ok(())
    }
}

/// A stage to be run.
pub(crate) struct Node {
    pub(crate) id: StageId,
    pub(crate) name: Arc<str>,
    pub(crate) schema: String,
    pub(crate) kind: NodeKind,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

pub(crate) enum NodeKind {
    Source(Box<dyn SourceStage>),
    Keyed(Box<dyn Stage>),
}

/// How far the dataflow has come, as every worker sees it.
#[derive(Debug)]
pub(crate) struct Probes {
    processed: Handle<u64>,
    committed: Handle<u64>,
}

impl Probes {
    /// Tells the gate what has been processed and committed.
    pub(crate) fn update(&self, gate: &mut Gate) {
        gate.processed(self.processed.with_frontier(|frontier| frontier.first().copied()));
        gate.committed(self.committed.with_frontier(|frontier| frontier.first().copied()));
    }

    /// Whether everything is committed and paid.
    pub(crate) fn is_done(&self) -> bool {
        self.committed.done()
    }
}

/// Builds the dataflow; restored stages start to read from here on.
pub(crate) fn build(
    scope: Scope<'_, u64>,
    graph: Graph,
    segments: SegmentSettings,
    line: Option<LedgerLine>,
    shared: &Shared,
) -> Probes {
    let mut inputs: BTreeMap<StageId, Vec<ParcelStream<'_>>> = BTreeMap::new();
    let mut all_parts = Vec::new();
    let mut all_early = Vec::new();
    for node in graph.nodes {
        let targets: Vec<StageId> =
            graph.edges.iter().filter(|(from, _)| *from == node.id).map(|(_, to)| *to).collect();
        let context = Context::new(scope.index(), scope.peers(), &targets);
        let (streams, parts) = match node.kind {
            NodeKind::Source(mut source) => {
                source.start(&shared.background, &shared.clock);
                let outputs =
                    add_source(scope, node.name, source, context, targets.len(), shared.clone());
                all_early.push(outputs.early);
                (outputs.data, outputs.parts)
            }
            NodeKind::Keyed(stage) => {
                let inputs = inputs.remove(&node.id).unwrap_or_default();
                add_stage(scope, node.name, stage, context, inputs, targets.len(), shared.clone())
            }
        };
        for (target, stream) in targets.into_iter().zip(streams) {
            inputs.entry(target).or_default().push(stream);
        }
        all_parts.push(parts);
    }
    follow_early(scope, all_early, shared);
    let mut probed = Vec::new();
    let processed = Handle::new();
    for parts in all_parts {
        probed.push(parts.probe_with(&processed));
    }
    let written = add_persist(scope, probed, segments, shared);
    let (committed, _) = add_coordinator(scope, written, line, shared).probe();
    Probes { processed, committed }
}

/// Makes every worker follow one that had to close an epoch early.
fn follow_early<'scope>(
    scope: Scope<'scope, u64>,
    inputs: Vec<Stream<'scope, u64, Vec<u64>>>,
    shared: &Shared,
) {
    let peers = scope.peers() as u64;
    for input in inputs {
        let mut spread = OperatorBuilder::new("early".to_owned(), scope);
        let mut handle = spread.new_input(input, Pipeline);
        let (pusher, stream) = spread.new_output::<Vec<(u64, u64)>>();
        let mut pusher = OutputBuilder::from(pusher);
        spread.build(move |capabilities| {
            drop(capabilities);
            move |_| {
                handle.for_each(|capability, epochs| {
                    let mut output = pusher.activate();
                    let mut session = output.session(&capability);
                    for epoch in epochs.drain(..) {
                        session.give_iterator((0..peers).map(|to| (to, epoch)));
                    }
                });
            }
        });
        let mut follow = OperatorBuilder::new("follow".to_owned(), scope);
        let mut handle = follow.new_input(stream, Exchange::new(|(to, _): &(u64, u64)| *to));
        let shared = shared.clone();
        follow.build(move |_| {
            move |_| {
                handle.for_each(|_, epochs| {
                    for (_, epoch) in epochs.drain(..) {
                        shared.raise_target(epoch);
                    }
                });
            }
        });
    }
}

/// Where the parcels of one edge go.
pub(super) type ParcelPusher = OutputBuilder<u64, CapacityContainerBuilder<Vec<Parcel>>>;

/// One output for each edge of a stage.
pub(super) fn data_outputs<'scope>(
    builder: &mut OperatorBuilder<'scope, u64>,
    count: usize,
) -> (Vec<ParcelPusher>, Vec<ParcelStream<'scope>>) {
    let mut outputs = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (pusher, stream) = builder.new_output();
        outputs.0.push(OutputBuilder::from(pusher));
        outputs.1.push(stream);
    }
    outputs
}

/// What an operator holds at its first turn. What is ready by then, be it records or timers, must
/// not be counted among the epochs of an earlier run.
pub(super) fn at_first_epoch(
    mut capabilities: Vec<Capability<u64>>,
    shared: &Shared,
) -> Vec<Capability<u64>> {
    if !planted(Sabotage::EpochOfEarlierRun) {
        capabilities.iter_mut().for_each(|capability| capability.downgrade(&shared.first_epoch));
    }
    capabilities
}

/// Sends the parcels of one edge at a capability.
pub(super) fn ship(
    pusher: &mut ParcelPusher,
    capability: &Capability<u64>,
    parcels: &mut Vec<Parcel>,
) {
    if !parcels.is_empty() {
        pusher.activate().session(capability).give_iterator(parcels.drain(..));
    }
}
