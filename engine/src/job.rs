//! Runs a job: takes over from its newest checkpoint, starts its workers, and reports how it ended.

use crate::background::{Background, Outbox};
use crate::checkpoint::{
    Catalog, DiskLock, Fallback, Folder, Ledger, LedgerMessage, Manifest, Payer, Planned, Start,
    start,
};
use crate::clock::{Clock, SystemClock};
use crate::cluster::{self, Cluster};
use crate::dataflow::{Gate, LedgerLine, SegmentSettings, SharedSettings};
use crate::error::{JobError, Result};
use crate::failure::Failure;
use crate::metrics::Metrics;
use crate::plan::Plan;
use crate::settle::Settled;
use crate::time::Epoch;
use crate::worker::{WorkerRun, WorkerStart};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use timely::communication::{Allocator, AllocatorBuilder, initialize_from};
use timely::worker::Worker;

/// Answers waiting for the coordinator; it asks for one manifest at a time.
const REPLIES: usize = 256;

/// Asks a job to stop with a final checkpoint.
#[derive(Clone, Debug, Default)]
pub struct StopSignal(Arc<AtomicBool>);

impl StopSignal {
    /// Asks for the stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The function that declares a job on each worker.
pub type Build = Arc<dyn Fn(&Plan) + Send + Sync>;

/// Takes what the user of a job should know at once.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// How a job is run.
#[derive(Clone)]
pub struct JobConfig {
    /// The job's name.
    pub name: String,
    /// Worker threads.
    pub workers: usize,
    /// Where checkpoints are kept.
    pub checkpoints: Folder,
    /// Time between checkpoints.
    pub checkpoint_every: Duration,
    /// Bytes of input that may be in flight on one worker.
    pub max_bytes_in_flight: usize,
    /// Epochs that may be closed but not yet committed.
    pub max_epochs_in_flight: usize,
    /// Start from an empty state even if there is a checkpoint.
    pub fresh: bool,
    /// What to do if the newest checkpoint is damaged.
    pub fallback: Fallback,
    /// Begin a history with the savepoint in this folder. Refused if the checkpoints are those of
    /// another history and `fresh` does not give them up.
    pub from: Option<Folder>,
    /// Processing time.
    pub clock: Arc<dyn Clock>,
    /// Stops the job from outside.
    pub stop: StopSignal,
    /// Where the job counts.
    pub metrics: Metrics,
    /// Who is told what the user should know at once, such as which checkpoints were given up.
    pub tell: Tell,
    /// The other processes of the job, if there are any.
    pub cluster: Option<Arc<Cluster>>,
}

impl fmt::Debug for JobConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobConfig").field("name", &self.name).finish_non_exhaustive()
    }
}

impl JobConfig {
    /// The defaults: one worker, a checkpoint a second.
    #[must_use]
    pub fn new(name: impl Into<String>, checkpoints: Folder) -> Self {
        Self {
            name: name.into(),
            workers: 1,
            checkpoints,
            checkpoint_every: Duration::from_secs(1),
            max_bytes_in_flight: 256 << 20,
            max_epochs_in_flight: 16,
            fresh: false,
            fallback: Fallback::Refuse,
            from: None,
            clock: Arc::new(SystemClock),
            stop: StopSignal::default(),
            metrics: Metrics::default(),
            tell: Arc::new(|text| tracing::warn!("{text}")),
            cluster: None,
        }
    }
}

/// How a run of a job began and ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The checkpoint it went on from, if any.
    pub resumed_from: Option<Epoch>,
    /// Whether an earlier run had finished the job already and nothing was done.
    pub was_finished: bool,
    /// Generation of this run.
    pub generation: u64,
}

/// A job that has taken over its checkpoints and is about to start its workers.
pub(crate) struct Takeover {
    pub(crate) config: JobConfig,
    pub(crate) build: Build,
    pub(crate) manifest: Manifest,
    pub(crate) resumed_from: Option<Epoch>,
    pub(crate) failure: Failure,
    catalog: Mutex<Option<Catalog>>,
    payers: Mutex<Vec<(String, Payer)>>,
    sinks: Arc<Vec<String>>,
    ledger: Arc<OnceLock<Outbox<LedgerMessage>>>,
    started_ms: i64,
    _lock: DiskLock,
}

/// Runs a job until its input ends, it is stopped, or it fails.
///
/// # Errors
/// Why it failed, or why it could not start.
pub fn run(config: JobConfig, build: Build) -> Result<Outcome> {
    if let Some(cluster) = config.cluster.clone() {
        return cluster::run(config, build, &cluster);
    }
    let takeover = match Takeover::begin(config, build, Failure::default())? {
        Begin::Ready(takeover) => *takeover,
        Begin::Finished(outcome) => return Ok(outcome),
    };
    let communication = timely::CommunicationConfig::Process(takeover.config.workers);
    let (builders, others) = communication.try_build().map_err(JobError::failed)?;
    takeover.run_workers(builders, others)
}

/// Either a job that is ready to run, or one that has nothing left to do.
pub(crate) enum Begin {
    Ready(Box<Takeover>),
    Finished(Outcome),
}

impl Takeover {
    /// Checks the plan, claims the next generation, and settles what sinks owe.
    pub(crate) fn begin(config: JobConfig, build: Build, failure: Failure) -> Result<Begin> {
        let plan = Plan::new(0, config.workers, config.metrics.clone());
        build(&plan);
        let stages = plan.stages();
        let (_, sinks) = plan.finish()?;
        let kinds = sinks.iter().map(|sink| (sink.name.clone(), sink.kind.to_owned())).collect();
        let history = history_name(&config);
        let planned = Planned { job: config.name.clone(), stages, sinks: kinds, history };
        let lock = config.checkpoints.lock()?;
        let mut catalog = Catalog::new(config.checkpoints.clone());
        let (fresh, fallback, savepoint) = (config.fresh, config.fallback, config.from.clone());
        let wanted = Start { fresh, fallback, savepoint };
        let base = start(&catalog, &wanted, &planned, &*config.tell)?;
        let resumed_from = Some(base.epoch).filter(|epoch| *epoch > Epoch(0));
        if base.finished {
            let (generation, was_finished) = (base.generation, true);
            return Ok(Begin::Finished(Outcome { resumed_from, was_finished, generation }));
        }
        let mut manifest = catalog.claim(&base)?;
        let ledger = Arc::new(OnceLock::new());
        let names = sinks.iter().map(|sink| sink.name.clone()).collect();
        let mut payers = Vec::new();
        for sink in sinks {
            let (name, folder) = (sink.name, config.checkpoints.clone());
            let counters = config.metrics.sink(&name);
            let committer = (sink.committer)().map_err(|error| error.at(format!("sink {name}")))?;
            let mut payer =
                Payer::new(name.clone(), folder, committer, counters, Arc::clone(&ledger));
            payer.settle(&mut manifest, &config.stop)?;
            payers.push((name, payer));
        }
        let started_ms = config.clock.ticks_ms();
        Ok(Begin::Ready(Box::new(Self {
            config,
            build,
            manifest,
            resumed_from,
            failure,
            catalog: Mutex::new(Some(catalog)),
            payers: Mutex::new(payers),
            sinks: Arc::new(names),
            ledger,
            started_ms,
            _lock: lock,
        })))
    }

    /// Joins a job that another process has taken over with this manifest.
    pub(crate) fn join(
        config: JobConfig,
        build: Build,
        manifest: Manifest,
        failure: Failure,
    ) -> Result<Self> {
        let plan = Plan::new(0, config.workers, config.metrics.clone());
        build(&plan);
        let (_, sinks) = plan.finish()?;
        let names = sinks.into_iter().map(|sink| sink.name).collect();
        let started_ms = config.clock.ticks_ms();
        Ok(Self {
            config,
            build,
            resumed_from: Some(manifest.epoch).filter(|epoch| *epoch > Epoch(0)),
            manifest,
            failure,
            catalog: Mutex::default(),
            payers: Mutex::default(),
            sinks: Arc::new(names),
            ledger: Arc::default(),
            started_ms,
            _lock: Box::new(()),
        })
    }

    /// Runs the workers of this process until all is committed or the job has failed. When this
    /// returns, their threads have ended, and `others` with them.
    pub(crate) fn run_workers(
        self,
        builders: Vec<AllocatorBuilder>,
        others: Box<dyn Any + Send>,
    ) -> Result<Outcome> {
        let takeover = Arc::new(self);
        let workers = Arc::clone(&takeover);
        let guards = initialize_from(builders, others, move |allocator| workers.work(allocator));
        for ended in guards.map_err(JobError::unavailable)?.join() {
            if let Err(panic) = ended {
                takeover.failure.set(JobError::failed(format!("a worker panicked: {panic}")));
            }
        }
        takeover.outcome()
    }

    /// One worker's thread, from start to end.
    fn work(&self, allocator: Allocator) {
        let guard = PanicGuard(self.failure.clone());
        let background = Background::threads(self.failure.clone());
        #[allow(clippy::disallowed_methods, reason = "timely measures its own activations with it")]
        let now = std::time::Instant::now();
        let worker = Worker::new(timely::WorkerConfig::default(), allocator, Some(now));
        match self.start_worker(worker, background) {
            Ok(mut run) => run.run(),
            Err(error) => self.failure.set(error),
        }
        drop(guard);
    }

    /// Builds a worker and, on the first one, what writes manifests and pays sinks.
    pub(crate) fn start_worker(&self, worker: Worker, background: Background) -> Result<WorkerRun> {
        let (index, workers) = (worker.index(), worker.peers());
        let config = &self.config;
        let plan = Plan::new(index, workers, config.metrics.clone());
        (self.build)(&plan);
        let (graph, _) = plan.finish()?;
        let line = (index == 0).then(|| self.open_ledger(&background)).flatten();
        let start = WorkerStart {
            graph,
            manifest: self.manifest.clone(),
            folder: config.checkpoints.clone(),
            settings: SharedSettings {
                clock: Arc::clone(&config.clock),
                started_ms: self.started_ms,
                interval_ms: crate::time::millis(config.checkpoint_every),
                first_epoch: self.manifest.epoch.0 + 1,
                stop: config.stop.clone(),
                gate: Gate::new(config.max_bytes_in_flight, config.max_epochs_in_flight),
            },
            segments: SegmentSettings {
                folder: config.checkpoints.clone(),
                generation: self.manifest.generation,
                worker: index,
                sinks: Arc::clone(&self.sinks),
                counters: Arc::clone(&config.metrics.checkpoints),
            },
            line,
            background,
            failure: self.failure.clone(),
        };
        WorkerRun::start(worker, start)
    }

    fn open_ledger(&self, background: &Background) -> Option<LedgerLine> {
        let catalog = self.catalog.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let mut payers = self.payers.lock().unwrap_or_else(PoisonError::into_inner);
        // Room for every sink's answer to every epoch in flight, so that nobody has to wait.
        let messages = (payers.len() + 1) * self.config.max_epochs_in_flight * 2 + 16;
        let mut outboxes = BTreeMap::new();
        for (name, mut payer) in payers.drain(..) {
            let answers = payer.answers();
            let handle = move |message| payer.handle(message);
            let outbox = background.handle(&format!("sink {name}"), messages, handle);
            outboxes.insert(name, (outbox, answers));
        }
        let (reply, inbox) = background.replies(REPLIES);
        let counters = Arc::clone(&self.config.metrics.checkpoints);
        let mut ledger = Ledger::new(catalog, self.manifest.clone(), outboxes, reply, counters);
        let outbox = background.handle("ledger", messages, move |message| ledger.handle(message));
        self.ledger.set(outbox.clone()).ok()?;
        Some(LedgerLine { outbox, inbox })
    }

    /// Pays the sinks and notes it in a manifest. Nothing was started.
    pub(crate) fn settle(self) -> Result<Settled> {
        let mut manifest = self.manifest;
        let payers = self.payers.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (_, mut payer) in payers {
            payer.finish(&mut manifest)?;
        }
        if let Some(mut catalog) = self.catalog.into_inner().unwrap_or_else(PoisonError::into_inner)
        {
            manifest.sequence += 1;
            catalog.add(&mut manifest)?;
        }
        let sinks = self.config.metrics.sinks();
        let rows = sinks.values().map(|sink| sink.committed.load(Relaxed)).sum();
        Ok(Settled { epoch: manifest.epoch, rows })
    }

    /// How the run ended.
    pub(crate) fn outcome(&self) -> Result<Outcome> {
        match self.failure.clone().into_error() {
            Some(error) => Err(error),
            None => Ok(Outcome {
                resumed_from: self.resumed_from,
                was_finished: false,
                generation: self.manifest.generation,
            }),
        }
    }
}

/// A name that no other history of the job's sinks has: by place and time.
fn history_name(config: &JobConfig) -> String {
    let (place, now) = (config.checkpoints.path().display(), config.clock.now());
    let of = format!("{}\n{place}\n{}", config.name, now.0);
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(of.as_bytes()))
}

/// Stops the other workers when this one panics.
struct PanicGuard(Failure);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0
                .set(JobError::failed("a worker panicked").hint("this is a bug: please report it"));
        }
    }
}
