//! Collects the parts of all stages of a worker, one epoch at a time, and has them written as a
//! segment on a thread of its own.

use super::graph::{PartStream, Shared};
use super::stage::Part;
use crate::checkpoint::{Folder, SegmentWriter, Written};
use crate::error::Result;
use crate::metrics::CheckpointCounters;
use crate::time::Epoch;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, Stream};

/// Epochs that may wait for the writer; more cannot be in flight.
const EPOCHS_WAITING: usize = 256;

/// Where segments are written and by whom.
#[derive(Clone, Debug)]
pub(crate) struct SegmentSettings {
    pub(crate) folder: Folder,
    pub(crate) generation: u64,
    pub(crate) worker: usize,
    pub(crate) sinks: Arc<Vec<String>>,
    pub(crate) counters: Arc<CheckpointCounters>,
}

impl SegmentSettings {
    fn write(&self, epoch: Epoch, parts: Vec<Part>) -> Result<Written> {
        let writer = SegmentWriter::of_parts(parts, &self.sinks);
        let name = format!("g{}-e{epoch}-w{}.segment", self.generation, self.worker);
        let staged = writer.staged_refs(&name, epoch);
        let has_state = writer.has_state();
        let file = writer.finish()?;
        self.folder.put(&name, file.slices())?;
        self.counters.bytes.fetch_add(file.length, Relaxed);
        let segment = file.named(name, epoch, 0);
        let worker = self.worker as u32;
        Ok(Written { epoch, worker, segment: has_state.then_some(segment), staged })
    }
}

/// Adds the persist operator. Its output's frontier passes an epoch when this worker's segment of
/// it is durable.
pub(super) fn add_persist<'scope>(
    scope: Scope<'scope, u64>,
    inputs: Vec<PartStream<'scope>>,
    settings: SegmentSettings,
    shared: &Shared,
) -> Stream<'scope, u64, Vec<Written>> {
    let mut builder = OperatorBuilder::new("persist".to_owned(), scope);
    let mut handles = Vec::new();
    for input in inputs {
        handles.push(builder.new_input(input, Pipeline));
    }
    let (pusher, stream) = builder.new_output::<Vec<Written>>();
    let mut pusher = OutputBuilder::from(pusher);
    let activator = scope.activator_for(builder.operator_info().address);
    let (reply, written) = shared.background.replies::<(u64, Written)>(EPOCHS_WAITING);
    let writer = shared.background.handle(
        &format!("checkpoint {}", settings.worker),
        EPOCHS_WAITING,
        move |(epoch, parts): (u64, Vec<Part>)| {
            let done = settings
                .write(Epoch(epoch), parts)
                .map_err(crate::error::in_epoch(Epoch(epoch)))?;
            reply.send((epoch, done));
            Ok(())
        },
    );
    let written = std::rc::Rc::new(written);
    let inbox = std::rc::Rc::clone(&written);
    shared.call_when(activator, Box::new(move || !inbox.is_empty()));
    let failure = shared.failure.clone();
    builder.build_reschedule(move |capabilities| {
        drop(capabilities);
        let mut open: BTreeMap<u64, (Capability<u64>, Vec<Part>)> = BTreeMap::new();
        let mut writing: BTreeMap<u64, Capability<u64>> = BTreeMap::new();
        move |frontiers| {
            for handle in &mut handles {
                handle.for_each(|capability, parts| {
                    let Some(retained) = capability.retain_least(0) else { return };
                    let epoch = *retained.time();
                    open.entry(epoch).or_insert_with(|| (retained, Vec::new())).1.append(parts);
                });
            }
            let frontier = frontiers.iter().filter_map(|f| f.frontier().first().copied()).min();
            while let Some(entry) = open.first_entry() {
                if frontier.is_some_and(|frontier| frontier <= *entry.key()) {
                    break;
                }
                let (epoch, (capability, parts)) = entry.remove_entry();
                writing.insert(epoch, capability);
                writer.offer((epoch, parts));
            }
            while let Some((epoch, done)) = written.try_take() {
                if let Some(capability) = writing.remove(&epoch) {
                    pusher.activate().session(&capability).give(done);
                }
            }
            failure.is_set() || !open.is_empty() || !writing.is_empty()
        }
    });
    stream
}
