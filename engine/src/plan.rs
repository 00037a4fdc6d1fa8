//! A job's plan on one worker: stages, the edges between them, and sinks, as the job declares
//! them. Built once per worker by the same function, so it comes out the same everywhere.

use crate::buffer::Buffer;
use crate::checkpoint::PlannedStage;
use crate::dataflow::{Context, Graph, Node, NodeKind, Port, StageId};
use crate::error::{JobError, Result};
use crate::event::{Data, Event};
use crate::key::{Key, key_group, key_hash, worker_of_group};
use crate::keyed::{KeyedStage, Routed};
use crate::metrics::Metrics;
use crate::operator::Operator;
use crate::sink::{Committer, Sink};
use crate::sketch::{EndKind, OpenEnd, Sketch, SketchedEdge, SketchedEnd, SketchedStage};
use crate::source::{DeadLetter, EventTime, Source, SourceRuntime, SourceSettings};
use serde::Serialize;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A sink with a way to make its committer, used by the one process that commits.
pub(crate) struct PlannedSink {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) committer: Box<dyn FnOnce() -> Result<Box<dyn Committer>>>,
}

/// A job under construction; clones are the same plan.
#[derive(Clone)]
pub struct Plan(Rc<PlanOf>);

struct PlanOf {
    worker: usize,
    workers: usize,
    metrics: Metrics,
    parts: RefCell<PlanParts>,
}

#[derive(Default)]
struct PlanParts {
    names: BTreeSet<(Kind, String)>,
    graph: Graph,
    routings: BTreeMap<StageId, Routing>,
    sinks: Vec<PlannedSink>,
    ends: Vec<OpenEnd>,
    shown: Vec<Box<dyn Fn() -> Vec<StageId>>>,
    dead_letters: Port<DeadLetter>,
    dead_letters_taken: bool,
    error: Option<JobError>,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("graph", &self.0.parts.borrow().graph).finish_non_exhaustive()
    }
}

/// Stages and sinks have names of their own: a stage's is a key of the checkpoint's state, a sink's
/// of what it has been paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Stage,
    Sink,
}

impl Kind {
    fn plural(self) -> &'static str {
        match self {
            Self::Stage => "stages",
            Self::Sink => "sinks",
        }
    }
}

/// How a keyed operator's events reach the worker that owns their key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Routing {
    /// By the key's group, to any worker.
    Exchange,
    /// They are on the right worker already.
    Local,
}

/// What a keyed operator puts out.
#[derive(Debug)]
pub struct KeyedOutputs<T, O> {
    /// What it emits.
    pub out: Port<O>,
    /// Events that came too late for it.
    pub late: Port<T>,
}

impl Plan {
    /// An empty plan for one of `workers` workers.
    #[must_use]
    pub fn new(worker: usize, workers: usize, metrics: Metrics) -> Self {
        Self(Rc::new(PlanOf { worker, workers, metrics, parts: RefCell::default() }))
    }

    /// Adds a source.
    pub fn source<R: Data>(
        &self,
        name: &str,
        source: Box<dyn Source<Record = R>>,
        event_time: EventTime<R>,
    ) -> Port<R> {
        let (id, name) = self.claim(Kind::Stage, name);
        let (port, dead_letters) = (Port::new(vec![id]), Port::new(vec![id]));
        self.collect_dead_letters(&dead_letters, &name);
        let settings = SourceSettings {
            name: Arc::clone(&name),
            worker: self.0.worker,
            workers: self.0.workers,
            counters: self.0.metrics.source(&name),
        };
        let schema = format!("source {}", source.identity());
        let runtime = SourceRuntime::new(settings, source, event_time, port.clone(), dead_letters);
        self.add(Node { id, name, schema, kind: NodeKind::Source(Box::new(runtime)) });
        port
    }

    /// Records that no source of the job could take. Who takes them is behind every source, so
    /// sources that are declared later are refused.
    pub fn dead_letters(&self) -> Port<DeadLetter> {
        let mut parts = self.0.parts.borrow_mut();
        parts.dead_letters_taken = true;
        parts.dead_letters.clone()
    }

    fn collect_dead_letters(&self, of: &Port<DeadLetter>, source: &str) {
        let mut parts = self.0.parts.borrow_mut();
        of.forward_to(&parts.dead_letters);
        if parts.dead_letters_taken {
            let what = format!("source `{source}` is declared after the dead letters are taken");
            let error = JobError::configuration(what)
                .hint("call `dead_letters()` when all sources are declared");
            parts.error.get_or_insert(error);
        }
    }

    /// Adds a keyed operator behind `input`.
    pub fn keyed<K: Key, T: Data, P: Operator<K, T>>(
        &self,
        name: &str,
        input: &Port<T>,
        key_of: impl Fn(&T) -> K + 'static,
        routing: Routing,
        operator: P,
    ) -> KeyedOutputs<T, P::Output> {
        let (id, name) = self.claim(Kind::Stage, name);
        let (out, late) = (Port::new(vec![id]), Port::new(vec![id]));
        let mut origins = input.origins();
        origins.dedup();
        let mut parts = self.0.parts.borrow_mut();
        parts.graph.edges.extend(origins.into_iter().map(|from| (from, id)));
        parts.routings.insert(id, routing);
        drop(parts);
        match routing {
            Routing::Local => input.attach_fresh(move |context, batch| {
                let to = context.worker();
                send_whole(context, id, to, batch, &key_of);
                Ok(())
            }),
            Routing::Exchange => input.attach_fresh(move |context, batch| {
                match context.workers() {
                    1 => send_whole(context, id, 0, batch, &key_of),
                    workers => send_split(context, id, workers, batch, &key_of),
                }
                Ok(())
            }),
        }
        let schema = operator.schema();
        let counters = self.0.metrics.operator(&name);
        let stage = KeyedStage::new(operator, out.clone(), late.clone(), counters);
        self.add(Node { id, name, schema, kind: NodeKind::Keyed(Box::new(stage)) });
        KeyedOutputs { out, late }
    }

    /// Adds a sink behind `input`.
    pub fn sink<T: Data>(&self, name: &str, input: &Port<T>, sink: impl Sink<T>) {
        let (_, name) = self.claim(Kind::Sink, name);
        self.end(EndKind::Sink, &name, input);
        let counters = self.0.metrics.sink(&name);
        let mut encoder = match sink.encoder() {
            Ok(encoder) => encoder,
            Err(error) => return self.refuse(error.at(format!("sink {name}"))),
        };
        let mut parts = self.0.parts.borrow_mut();
        let index = parts.sinks.len() as u32;
        parts.sinks.push(PlannedSink {
            name: name.to_string(),
            kind: sink.kind(),
            committer: Box::new(move || sink.committer()),
        });
        input.attach_fresh(move |context, batch| {
            let staged = context.staged(index);
            for event in &batch {
                encoder.encode(&event.value, Buffer::open(&mut staged.buffers))?;
            }
            staged.rows += batch.len() as u64;
            counters.staged.fetch_add(batch.len() as u64, Relaxed);
            Ok(())
        });
    }

    /// Records that the job cannot be built as declared. The first error is reported.
    pub fn refuse(&self, error: JobError) {
        self.0.parts.borrow_mut().error.get_or_insert(error);
    }

    /// The stages that own state, in the order they were declared.
    #[must_use]
    pub fn stages(&self) -> Vec<PlannedStage> {
        let parts = self.0.parts.borrow();
        let planned = parts
            .graph
            .nodes
            .iter()
            .map(|node| PlannedStage { name: node.name.to_string(), schema: node.schema.clone() });
        planned.collect()
    }

    /// Notes where rows end, for drawing the job.
    pub fn end<T: Data>(&self, kind: EndKind, name: &str, input: &Port<T>) {
        let (name, input) = (name.to_owned(), input.clone());
        let origins = Box::new(move || input.origins());
        self.0.parts.borrow_mut().ends.push(OpenEnd { name, kind, origins });
    }

    /// Notes a table that is shown behind `input` and begins empty: it is filled from what the
    /// stages before it are restored with, see [`Operator::current`].
    pub fn shown<T: Data>(&self, input: &Port<T>) {
        let input = input.clone();
        self.0.parts.borrow_mut().shown.push(Box::new(move || input.origins()));
    }

    /// The plan for looking at.
    #[must_use]
    pub fn sketch(&self) -> Sketch {
        let parts = self.0.parts.borrow();
        let name = |id: StageId| {
            let node = parts.graph.nodes.iter().find(|node| node.id == id);
            node.map(|node| node.name.to_string()).unwrap_or_default()
        };
        let stages = parts.graph.nodes.iter().map(|node| SketchedStage {
            name: node.name.to_string(),
            is_source: matches!(node.kind, NodeKind::Source(_)),
            schema: node.schema.clone(),
        });
        let edges = parts.graph.edges.iter().map(|(from, to)| SketchedEdge {
            from: name(*from),
            to: name(*to),
            routing: parts.routings.get(to).copied().unwrap_or(Routing::Exchange),
        });
        let ends = parts.ends.iter().map(|end| {
            let from: BTreeSet<StageId> = (end.origins)().into_iter().collect();
            let from = from.into_iter().map(name).collect();
            SketchedEnd { name: end.name.clone(), kind: end.kind, from }
        });
        Sketch { stages: stages.collect(), edges: edges.collect(), ends: ends.collect() }
    }

    /// Takes out why the job cannot be built as declared, if it cannot.
    #[must_use]
    pub fn take_refusal(&self) -> Option<JobError> {
        self.0.parts.borrow_mut().error.take()
    }

    /// Takes the stages out to be run; the plan is empty afterwards.
    pub(crate) fn finish(&self) -> Result<(Graph, Vec<PlannedSink>)> {
        let parts = self.0.parts.take();
        match parts.error {
            Some(error) => Err(error),
            None => {
                let shown = parts.shown.iter().flat_map(|origins| origins()).collect();
                Ok((Graph { shown, ..parts.graph }, parts.sinks))
            }
        }
    }

    fn claim(&self, kind: Kind, name: &str) -> (StageId, Arc<str>) {
        let mut parts = self.0.parts.borrow_mut();
        let id = StageId(parts.graph.nodes.len() as u32);
        if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
            let error = JobError::configuration(format!("`{name}` cannot be the name of a stage"))
                .hint("use 1 to 128 printable characters");
            parts.error.get_or_insert(error);
        } else if !parts.names.insert((kind, name.to_owned())) {
            let error =
                JobError::configuration(format!("two {} are named `{name}`", kind.plural()))
                    .hint("names are the keys of checkpoints: give each stage its own");
            parts.error.get_or_insert(error);
        }
        (id, Arc::from(name))
    }

    fn add(&self, node: Node) {
        self.0.parts.borrow_mut().graph.nodes.push(node);
    }
}

fn route<K: Key, T>(event: Event<T>, key_of: &impl Fn(&T) -> K) -> Routed<K, T> {
    let key = key_of(&event.value);
    Routed { hash: key_hash(&key), key, event }
}

fn send_whole<K: Key, T: Data>(
    context: &mut Context,
    target: StageId,
    to: usize,
    batch: Vec<Event<T>>,
    key_of: &impl Fn(&T) -> K,
) {
    let routed: Vec<_> = batch.into_iter().map(|event| route(event, key_of)).collect();
    context.send(target, to, routed);
}

fn send_split<K: Key, T: Data>(
    context: &mut Context,
    target: StageId,
    workers: usize,
    batch: Vec<Event<T>>,
    key_of: &impl Fn(&T) -> K,
) {
    let expected = batch.len() / workers + batch.len() / 8 + 8;
    let mut split: Vec<Vec<Routed<K, T>>> =
        (0..workers).map(|_| Vec::with_capacity(expected)).collect();
    for event in batch {
        let routed = route(event, key_of);
        split[worker_of_group(key_group(routed.hash), workers)].push(routed);
    }
    for (to, routed) in split.into_iter().enumerate().filter(|(_, routed)| !routed.is_empty()) {
        context.send(target, to, routed);
    }
}
