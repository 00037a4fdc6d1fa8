//! Where a stage's records go: callbacks that run in place, batch by batch, until a record
//! reaches the edge to another stage or the encoder of a sink.

use super::edge::{Body, Parcel, Payload};
use super::stage::StageId;
use crate::buffer::Buffer;
use crate::error::Result;
use crate::event::{Data, Event};
use crate::time::Watermark;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

/// Callback that takes a batch within the stage that produced it.
type Consumer<T> = Box<dyn FnMut(&mut Context, Vec<Event<T>>) -> Result<()>>;

/// An output that any number of consumers can be attached to before the job runs.
pub struct Port<T> {
    consumers: Rc<RefCell<Vec<Consumer<T>>>>,
    origins: Rc<RefCell<Vec<StageId>>>,
}

impl<T> Clone for Port<T> {
    fn clone(&self) -> Self {
        Self { consumers: Rc::clone(&self.consumers), origins: Rc::clone(&self.origins) }
    }
}

impl<T> Default for Port<T> {
    fn default() -> Self {
        Self { consumers: Rc::default(), origins: Rc::default() }
    }
}

impl<T> fmt::Debug for Port<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").field("origins", &self.origins).finish_non_exhaustive()
    }
}

impl<T: Data> Port<T> {
    /// An output of these stages.
    pub(crate) fn new(origins: Vec<StageId>) -> Self {
        Self { consumers: Rc::default(), origins: Rc::new(RefCell::new(origins)) }
    }

    /// An output for what is made of this one's records within the same stages.
    #[must_use]
    pub fn derived<U: Data>(&self) -> Port<U> {
        Port::new(self.origins())
    }

    /// The stages whose records come out here.
    pub(crate) fn origins(&self) -> Vec<StageId> {
        self.origins.borrow().clone()
    }

    /// Attaches a consumer.
    pub fn attach(
        &self,
        consumer: impl FnMut(&mut Context, Vec<Event<T>>) -> Result<()> + 'static,
    ) {
        self.consumers.borrow_mut().push(Box::new(consumer));
    }

    /// Attaches a consumer of new records only: one that counts, lists or forwards them has had
    /// those of [`Context::is_refill`].
    pub fn attach_fresh(
        &self,
        mut consumer: impl FnMut(&mut Context, Vec<Event<T>>) -> Result<()> + 'static,
    ) {
        self.attach(move |context, batch| match context.is_refill {
            true => Ok(()),
            false => consumer(context, batch),
        });
    }

    /// Makes everything that comes out here come out of `other` too.
    pub fn forward_to(&self, other: &Self) {
        let target = other.clone();
        other.origins.borrow_mut().extend(self.origins());
        self.attach(move |context, batch| target.push(context, batch));
    }

    /// Hands a batch to every consumer, in the order they were attached.
    ///
    /// # Errors
    /// What the first failing consumer says.
    pub fn push(&self, context: &mut Context, batch: Vec<Event<T>>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut consumers = self.consumers.borrow_mut();
        let Some((last, others)) = consumers.split_last_mut() else { return Ok(()) };
        for consumer in others {
            consumer(context, batch.clone())?;
        }
        last(context, batch)
    }
}

/// Rows of one sink that one stage encoded in one epoch, on their way into the checkpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Staged {
    /// Encoded rows, framed by the sink's encoder.
    pub(crate) buffers: Vec<Buffer>,
    /// How many rows.
    pub(crate) rows: u64,
}

/// What a stage hands down its chain of consumers: edges to write to and sinks to stage for.
#[derive(Debug)]
pub struct Context {
    worker: u32,
    workers: u32,
    edges: Vec<(StageId, Vec<Parcel>)>,
    staged: BTreeMap<u32, Staged>,
    is_refill: bool,
}

impl Context {
    pub(crate) fn new(worker: usize, workers: usize, targets: &[StageId]) -> Self {
        Self {
            worker: worker as u32,
            workers: workers as u32,
            edges: targets.iter().map(|target| (*target, Vec::new())).collect(),
            staged: BTreeMap::new(),
            is_refill: false,
        }
    }

    /// For records that were put out before the checkpoint that the job starts from.
    pub(crate) fn refill(worker: usize, workers: usize) -> Self {
        Self { is_refill: true, ..Self::new(worker, workers, &[]) }
    }

    /// Whether the records at hand were put out before the job was started: they are for tables
    /// that are shown and begin empty. Whoever counts, lists or forwards records has had them.
    #[must_use]
    pub fn is_refill(&self) -> bool {
        self.is_refill
    }

    /// This worker's index.
    #[must_use]
    pub fn worker(&self) -> usize {
        self.worker as usize
    }

    /// How many workers the job has.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers as usize
    }

    /// Sends a batch to `target` on worker `to`.
    pub(crate) fn send<T: Data>(&mut self, target: StageId, to: usize, batch: Vec<T>) {
        let (from, to) = (self.worker, to as u32);
        let body = Body::Records(Payload::new(batch));
        if let Some((_, parcels)) = self.edges.iter_mut().find(|(id, _)| *id == target) {
            parcels.push(Parcel { to, from, body });
        }
    }

    /// Tells every worker on every edge this stage's watermark.
    pub(crate) fn announce(&mut self, watermark: Watermark) {
        for (_, parcels) in &mut self.edges {
            for to in 0..self.workers {
                let body = Body::Watermark(watermark);
                parcels.push(Parcel { to, from: self.worker, body });
            }
        }
    }

    /// The rows staged for a sink in the open epoch.
    pub(crate) fn staged(&mut self, sink: u32) -> &mut Staged {
        self.staged.entry(sink).or_default()
    }

    pub(crate) fn take_staged(&mut self) -> BTreeMap<u32, Staged> {
        std::mem::take(&mut self.staged)
    }

    pub(crate) fn parcels(&mut self, edge: usize) -> &mut Vec<Parcel> {
        &mut self.edges[edge].1
    }
}
