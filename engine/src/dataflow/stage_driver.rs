//! Runs a keyed stage under timely: one epoch open at a time, records of later epochs in a queue,
//! the epoch closed when the frontier has passed it.

use super::edge::{Body, Parcel};
use super::graph::{
    ParcelPusher, ParcelStream, PartStream, Shared, at_first_epoch, data_outputs, ship,
};
use super::port::Context;
use super::stage::{Moment, Part, Progress, Stage};
use crate::error::{JobError, Result};
use crate::sabotage::{Sabotage, planted};
use crate::state::ENTRIES_PER_SLICE;
use crate::time::{Timestamp, Watermark};
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use timely::dataflow::Scope;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::frontier::MutableAntichain;

/// A stage with what the driver keeps for it.
struct Driver {
    name: Arc<str>,
    stage: Box<dyn Stage>,
    context: Context,
    shared: Shared,
    /// The epoch that records are taken for.
    open: u64,
    /// Records of later epochs, in the order they came.
    waiting: BTreeMap<u64, VecDeque<(usize, Parcel)>>,
    /// Watermarks by input and sending worker.
    watermarks: Vec<Vec<Watermark>>,
    combined: Timestamp,
    announced: Option<Watermark>,
    clock_deadline: Rc<Cell<Option<Timestamp>>>,
    /// Capabilities of the data outputs, and of the part output, at the open epoch.
    data: Vec<Capability<u64>>,
    parts: Option<Capability<u64>>,
    /// The closed epoch whose increment is still being encoded, with its staged rows.
    closing: Option<(Capability<u64>, Part)>,
}

/// Adds a stage to the dataflow. Returns its outputs, one per target, and its parts.
pub(super) fn add_stage<'scope>(
    scope: Scope<'scope, u64>,
    name: Arc<str>,
    stage: Box<dyn Stage>,
    context: Context,
    inputs: Vec<ParcelStream<'scope>>,
    outputs: usize,
    shared: Shared,
) -> (Vec<ParcelStream<'scope>>, PartStream<'scope>) {
    let mut builder = OperatorBuilder::new(name.to_string(), scope);
    let workers = context.workers();
    let to_worker = |parcel: &Parcel| u64::from(parcel.to);
    let take_input = |input| builder.new_input(input, Exchange::new(to_worker));
    let mut handles: Vec<_> = inputs.into_iter().map(take_input).collect();
    let (mut pushers, streams) = data_outputs(&mut builder, outputs);
    let (part_pusher, part_stream) = builder.new_output::<Vec<Part>>();
    let mut part_pusher = OutputBuilder::from(part_pusher);
    let activator = scope.activator_for(builder.operator_info().address);
    let clock_deadline = Rc::new(Cell::new(None));
    let (deadline, clock) = (Rc::clone(&clock_deadline), Arc::clone(&shared.clock));
    let due = move || deadline.get().is_some_and(|at: Timestamp| at <= clock.now());
    shared.call_when(activator.clone(), Box::new(due));
    let senders = handles.len();
    builder.build_reschedule(move |capabilities| {
        let mut capabilities = at_first_epoch(capabilities, &shared);
        let watermarks = vec![vec![Watermark::At(Timestamp::MIN); workers]; senders];
        let mut driver = Driver {
            name,
            stage,
            context,
            open: shared.first_epoch,
            shared,
            waiting: BTreeMap::new(),
            watermarks,
            combined: Timestamp::MIN,
            announced: None,
            clock_deadline,
            parts: capabilities.pop(),
            data: capabilities,
            closing: None,
        };
        move |frontiers| {
            if driver.is_over() {
                return driver.shared.failure.is_set();
            }
            let mut taken = Ok(());
            for (input, handle) in handles.iter_mut().enumerate() {
                handle.for_each(|capability, parcels| {
                    let time = capability.least().copied().unwrap_or(driver.open);
                    for parcel in parcels.drain(..) {
                        if taken.is_ok() {
                            taken = driver.take(time, input, parcel);
                        }
                    }
                });
            }
            let mut give_part = |capability: &Capability<u64>, part| {
                part_pusher.activate().session(capability).give(part);
            };
            let turned = taken.and_then(|()| driver.turn(frontiers, &mut pushers, &mut give_part));
            match turned {
                Ok(true) => activator.activate(),
                Ok(false) => {}
                Err(error) => driver.fail(error),
            }
            driver.shared.failure.is_set()
        }
    });
    (streams, part_stream)
}

impl Driver {
    fn is_over(&self) -> bool {
        self.shared.failure.is_set() || self.parts.is_none() && self.closing.is_none()
    }

    fn fail(&self, error: JobError) {
        self.shared.failure.set(error.at(format!("operator {}", self.name)));
    }

    /// Takes a parcel now if its epoch is open, or puts it in the queue.
    fn take(&mut self, time: u64, input: usize, parcel: Parcel) -> Result<()> {
        if time > self.open {
            self.waiting.entry(time).or_default().push_back((input, parcel));
            return Ok(());
        }
        self.handle(input, parcel)
    }

    fn handle(&mut self, input: usize, parcel: Parcel) -> Result<()> {
        match parcel.body {
            Body::Records(payload) => {
                let now = self.shared.clock.now();
                self.stage.receive(&mut self.context, payload, now)
            }
            Body::Watermark(watermark) => {
                let from = self.watermarks[input].get_mut(parcel.from as usize);
                *from.ok_or_else(|| JobError::failed("a parcel of an unknown worker"))? = watermark;
                Ok(())
            }
        }
    }

    /// Everything that follows from what was taken; returns whether to run again at once.
    fn turn(
        &mut self,
        frontiers: &[MutableAntichain<u64>],
        pushers: &mut [ParcelPusher],
        give_part: &mut dyn FnMut(&Capability<u64>, Part),
    ) -> Result<bool> {
        loop {
            if self.parts.is_none() {
                return self.encode(ENTRIES_PER_SLICE, give_part);
            }
            let progress = self.advance()?;
            for (edge, pusher) in pushers.iter_mut().enumerate() {
                ship(pusher, &self.data[edge], self.context.parcels(edge));
            }
            let frontier = frontiers.iter().filter_map(|f| f.frontier().first().copied()).min();
            let passed = frontier.is_none_or(|frontier| frontier > self.open);
            if !passed {
                let encoding = self.encode(ENTRIES_PER_SLICE, give_part)?;
                return Ok(encoding || progress == Progress::More);
            }
            let next = self.waiting.keys().next().copied().into_iter().chain(frontier).min();
            if next.is_none() && progress == Progress::More {
                return Ok(true); // the last epoch closes when every timer has fired
            }
            self.close(next, give_part)?;
            let Some(next) = next else { continue };
            if let Some(mut waiting) = self.waiting.remove(&next) {
                if planted(Sabotage::QueueLost) {
                    waiting.clear();
                }
                for (input, parcel) in waiting {
                    self.handle(input, parcel)?;
                }
            }
        }
    }

    fn advance(&mut self) -> Result<Progress> {
        let all = self.watermarks.iter().flatten();
        let active = all.filter_map(|watermark| match watermark {
            Watermark::At(time) => Some(*time),
            Watermark::Idle => None,
        });
        let least = active.min();
        self.combined = self.combined.max(least.unwrap_or(Timestamp::MIN));
        let moment = Moment { watermark: self.combined, now: self.shared.clock.now() };
        let progress = self.stage.advance(&mut self.context, moment)?;
        self.clock_deadline.set(self.stage.next_clock_deadline());
        if progress == Progress::Done {
            let out = if least.is_some() { Watermark::At(self.combined) } else { Watermark::Idle };
            let out = self.stage.watermark_out(out);
            if self.announced != Some(out) {
                self.context.announce(out);
                self.announced = Some(out);
            }
        }
        Ok(progress)
    }

    /// Closes the open epoch and opens `next`; with `None` it was the last.
    fn close(
        &mut self,
        next: Option<u64>,
        give_part: &mut dyn FnMut(&Capability<u64>, Part),
    ) -> Result<()> {
        while self.encode(ENTRIES_PER_SLICE, give_part)? {}
        self.stage.begin_increment()?;
        let Some(mut capability) = self.parts.take() else { return Ok(()) };
        let closed = capability.delayed(&self.open.max(*capability.time()));
        let part = Part {
            section: Arc::clone(&self.name),
            entries: Default::default(),
            staged: self.context.take_staged(),
        };
        self.closing = Some((closed, part));
        match next {
            Some(next) => {
                for data in &mut self.data {
                    data.downgrade(&next);
                }
                capability.downgrade(&next);
                self.parts = Some(capability);
                self.open = next;
            }
            None => self.data.clear(),
        }
        Ok(())
    }

    /// Encodes a slice of the closed epoch; returns whether more is left.
    fn encode(
        &mut self,
        limit: usize,
        give_part: &mut dyn FnMut(&Capability<u64>, Part),
    ) -> Result<bool> {
        if self.closing.is_none() {
            return Ok(false);
        }
        let Some(entries) = self.stage.encode_slice(limit)? else { return Ok(true) };
        if let Some((capability, mut part)) = self.closing.take() {
            part.entries = entries;
            if !part.entries.is_empty() || part.staged.values().any(|staged| staged.rows > 0) {
                give_part(&capability, part);
            }
        }
        Ok(false)
    }
}
