//! Runs a source under timely: takes what was read, closes epochs by the clock or by bytes, and
//! holds back while too much is in flight.

use super::graph::{ParcelStream, PartStream, Shared, at_first_epoch, data_outputs, ship};
use super::port::Context;
use super::stage::Part;
use crate::error::{JobError, Result};
use crate::sabotage::{Sabotage, planted};
use crate::source::SourceStage;
use crate::time::Watermark;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use timely::dataflow::Scope;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// Bytes taken from a source before others get a turn.
const BYTES_PER_TURN: usize = 1 << 20;

struct Driver {
    name: Arc<str>,
    source: Rc<RefCell<Box<dyn SourceStage>>>,
    context: Context,
    shared: Shared,
    open: u64,
    bytes_in_open: usize,
    announced: Option<Watermark>,
    data: Vec<Capability<u64>>,
    parts: Option<Capability<u64>>,
    early: Option<Capability<u64>>,
}

/// Outputs of a source: one per target, its parts, and epochs it closed before their time.
pub(super) struct SourceOutputs<'scope> {
    pub(super) data: Vec<ParcelStream<'scope>>,
    pub(super) parts: PartStream<'scope>,
    pub(super) early: timely::dataflow::Stream<'scope, u64, Vec<u64>>,
}

/// Adds a source to the dataflow.
pub(super) fn add_source<'scope>(
    scope: Scope<'scope, u64>,
    name: Arc<str>,
    source: Box<dyn SourceStage>,
    context: Context,
    outputs: usize,
    shared: Shared,
) -> SourceOutputs<'scope> {
    let mut builder = OperatorBuilder::new(name.to_string(), scope);
    let (mut pushers, data) = data_outputs(&mut builder, outputs);
    let (part_pusher, parts) = builder.new_output::<Vec<Part>>();
    let mut part_pusher = OutputBuilder::from(part_pusher);
    let (early_pusher, early) = builder.new_output::<Vec<u64>>();
    let mut early_pusher = OutputBuilder::from(early_pusher);
    let activator = scope.activator_for(builder.operator_info().address);
    let source = Rc::new(RefCell::new(source));
    // The open epoch; none once the source has come to its end.
    let open = Rc::new(Cell::new(Some(shared.first_epoch)));
    let (watched, view, ready) = (Rc::clone(&open), shared.clone(), Rc::clone(&source));
    let wanted = move || {
        let Some(open) = watched.get() else { return false };
        let gate = view.gate.borrow();
        let due = gate.may_close() && view.due_epoch() > open;
        due || view.stop.is_requested() || gate.is_open() && ready.borrow().is_ready()
    };
    shared.call_when(activator.clone(), Box::new(wanted));
    builder.build_reschedule(move |capabilities| {
        let mut capabilities = at_first_epoch(capabilities, &shared);
        let (early, parts) = (capabilities.pop(), capabilities.pop());
        let mut driver = Driver {
            name,
            source,
            context,
            shared,
            open: open.get().unwrap_or_default(),
            bytes_in_open: 0,
            announced: None,
            data: capabilities,
            parts,
            early,
        };
        move |_| {
            if driver.is_over() {
                return driver.shared.failure.is_set();
            }
            let polled = driver.poll();
            for (edge, pusher) in pushers.iter_mut().enumerate() {
                ship(pusher, &driver.data[edge], driver.context.parcels(edge));
            }
            let closed = polled.and_then(|again| Ok((again, driver.close_if_due()?)));
            open.set(driver.parts.as_ref().map(|_| driver.open));
            match closed {
                Ok((again, part)) => {
                    if let Some((capability, part)) = part {
                        part_pusher.activate().session(&capability).give(part);
                    }
                    if let Some((capability, epoch)) = driver.early_notice() {
                        early_pusher.activate().session(&capability).give(epoch);
                    }
                    if again {
                        activator.activate();
                    }
                }
                Err(error) => driver.fail(error),
            }
            driver.parts.is_some()
        }
    });
    SourceOutputs { data, parts, early }
}

impl Driver {
    fn is_over(&self) -> bool {
        self.shared.failure.is_set() || self.parts.is_none()
    }

    fn fail(&self, error: JobError) {
        self.shared.failure.set(error.at(format!("source {}", self.name)));
    }

    /// Takes what was read, if there is room; returns whether more is waiting.
    fn poll(&mut self) -> Result<bool> {
        let mut source = self.source.borrow_mut();
        let mut taken = 0;
        let is_open = self.shared.gate.borrow().is_open() && !self.shared.stop.is_requested();
        source.listen(self.shared.gate.borrow().open_ms());
        source.committed_before(self.shared.gate.borrow().committed_frontier());
        if is_open {
            taken = source.poll(&mut self.context, BYTES_PER_TURN)?;
            self.bytes_in_open += taken;
            self.shared.gate.borrow_mut().add(self.open, taken);
        }
        let watermark = source.watermark();
        if self.announced != Some(watermark) {
            self.context.announce(watermark);
            self.announced = Some(watermark);
        }
        Ok(taken > 0 && source.is_ready())
    }

    /// Closes the open epoch if the clock, the bytes, or the end of the input says so.
    fn close_if_due(&mut self) -> Result<Option<(Capability<u64>, Part)>> {
        let source = Rc::clone(&self.source);
        let mut source = source.borrow_mut();
        let ends = source.has_ended() || self.shared.stop.is_requested();
        let due = self.shared.due_epoch();
        let full = self.bytes_in_open >= self.shared.gate.borrow().close_bytes();
        if !ends && due <= self.open && !full {
            return Ok(None);
        }
        if !ends && !self.shared.gate.borrow().may_close() {
            return Ok(None);
        }
        let Some(mut capability) = self.parts.take() else { return Ok(None) };
        let staged = self.context.take_staged();
        let mut entries = source.take_increment(self.open)?;
        if planted(Sabotage::OffsetsEarly) {
            source.poll(&mut self.context, 1)?;
            let early = source.take_increment(self.open)?;
            entries = if early.is_empty() { entries } else { early };
        }
        let closed = capability.clone();
        self.shared.gate.borrow_mut().closed(self.open);
        self.bytes_in_open = 0;
        if ends {
            self.data.clear();
            self.early = None;
        } else {
            self.open = due.max(self.open + 1);
            self.shared.raise_target(self.open);
            for data in &mut self.data {
                data.downgrade(&self.open);
            }
            capability.downgrade(&self.open);
            self.parts = Some(capability);
        }
        let part = Part { section: Arc::clone(&self.name), entries, staged };
        let worth = !part.entries.is_empty() || part.staged.values().any(|rows| rows.rows > 0);
        Ok(worth.then_some((closed, part)))
    }

    /// The epoch to tell other workers about, once per epoch closed before its time.
    fn early_notice(&mut self) -> Option<(Capability<u64>, u64)> {
        let early = self.early.as_mut()?;
        if *early.time() == self.open {
            return None;
        }
        early.downgrade(&self.open);
        let ahead = self.open > self.shared.clock_epoch();
        ahead.then(|| (early.clone(), self.open))
    }
}
