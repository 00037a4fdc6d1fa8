//! A job under test: what it is given, and how it is run.

use super::bench::{Scripts, TestBench, TestViews, extend};
use super::outputs::TestOutputs;
use crate::flow::Flow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use waystream_engine::checkpoint::Folder;
use waystream_engine::error::{JobError, Result};
use waystream_engine::event::Data;
use waystream_engine::job::{JobConfig, StopSignal};
use waystream_engine::metrics::Metrics;
use waystream_engine::simulation::{
    Crashes, Cues, IntoStep, Random, Scenario, SimulatedDisk, Step, simulate,
};
use waystream_engine::time::ms;

/// The declaration of a job, as the test kit keeps it.
type BuildFlow = Arc<dyn Fn(&Flow) + Send + Sync>;

/// Adds a crash marker to a script of some type.
type AddCrash = Arc<dyn Fn(&mut Scripts) + Send + Sync>;

/// A job under test: the job itself, its sources and sinks replaced by name.
///
/// Input is written as an array of records, or of [`Step`]s if more is to happen than records: the
/// job is killed and started again, a watermark comes, the clock moves, a partition is silent.
///
/// ```
/// use waystream_operators::Step::{self, Crash};
/// use waystream_operators::{Change, EventTime, Flow, TestJob, Timestamp, Unset};
///
/// type Ping = (u32, i64);
///
/// fn build(flow: &Flow) {
///     flow.source("pings", Unset, EventTime::by(|ping: &Ping| Timestamp(ping.1)))
///         .key_by(|ping| ping.0)
///         .live("couriers", |pings: &mut u32, _| *pings += 1)
///         .sink("app", Unset);
/// }
///
/// fn ping(courier: u32, at: i64) -> Step<Ping> {
///     (courier, at).into()
/// }
///
/// let changes = TestJob::new(build)
///     .input("pings", [ping(7, 1), ping(7, 2), Crash, ping(7, 3)])
///     .output::<Change<u32, u32>>("app");
/// assert_eq!(changes.last(), Some(&Change::Upsert { key: 7, state: 3 }));
/// assert_eq!(changes.len(), 3);
/// ```
#[derive(Clone)]
pub struct TestJob {
    build: BuildFlow,
    scripts: Scripts,
    settings: BTreeMap<String, String>,
    /// Adds a crash to the source that was written to last.
    add_crash: Option<AddCrash>,
    workers: Vec<usize>,
}

impl fmt::Debug for TestJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestJob").field("inputs", &self.scripts.keys()).finish_non_exhaustive()
    }
}

impl TestJob {
    /// A test of the job that `build` declares.
    pub fn new(build: impl Fn(&Flow) + Send + Sync + 'static) -> Self {
        let build = Arc::new(build);
        let (scripts, settings) = Default::default();
        Self { build, scripts, settings, add_crash: None, workers: vec![1] }
    }

    /// What the source of this name reads, as its only partition; given again, it goes on.
    #[must_use]
    pub fn input<S>(self, source: &str, steps: impl IntoIterator<Item = S>) -> Self
    where
        S: IntoStep<Record: Data + Sync>,
    {
        self.input_of_partition(source, 0, steps)
    }

    /// What one partition of the source of this name reads.
    #[must_use]
    pub fn input_of_partition<S>(
        mut self,
        source: &str,
        partition: usize,
        steps: impl IntoIterator<Item = S>,
    ) -> Self
    where
        S: IntoStep<Record: Data + Sync>,
    {
        let steps = steps.into_iter().map(IntoStep::into_step).collect();
        extend::<S::Record>(&mut self.scripts, source, partition, steps);
        let source = source.to_owned();
        self.add_crash = Some(Arc::new(move |scripts| {
            extend::<S::Record>(scripts, &source, partition, vec![Step::Crash]);
        }));
        self
    }

    /// Kills the job when the source written to last comes to this place, and starts it again.
    ///
    /// # Panics
    /// If no input was given before.
    #[must_use]
    pub fn crash(mut self) -> Self {
        let add = self.add_crash.clone().expect("crash() stands behind an input");
        add(&mut self.scripts);
        self
    }

    /// Sets a setting of the job.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Runs with one of these numbers of workers at each start, instead of one.
    #[must_use]
    pub fn workers(mut self, workers: impl IntoIterator<Item = usize>) -> Self {
        self.workers = workers.into_iter().collect();
        self
    }

    /// Runs the job to its end, crashing only where the test says so.
    ///
    /// # Errors
    /// Why the job failed.
    pub fn run(&self) -> Result<TestOutputs> {
        self.run_seed(0, Crashes::None, 1)
    }

    /// Runs the job to its end and returns the rows of one sink.
    ///
    /// # Panics
    /// If the job fails, has no such sink, or the rows are of another type.
    #[must_use]
    pub fn output<T: Data>(&self, sink: &str) -> Vec<T> {
        let outputs = self.run().unwrap_or_else(|error| panic!("the job failed: {error}"));
        outputs.output(sink)
    }

    /// Runs the job once for each seed, with other orders of work, crashes, power cuts and I/O
    /// errors, and compares the rows of every sink, in any order, with an undisturbed run.
    ///
    /// # Errors
    /// The seed and the sink of the first difference, or why the job failed.
    pub fn simulate(&self, seeds: u64) -> Result<()> {
        let expected = self.run()?.rows_by_sink()?;
        for seed in 1..=seeds {
            let crashes = Crashes::Times(1 + (seed % 5) as u32);
            let outputs = self.run_seed(seed, crashes, 1 + seed as usize % 7);
            let found = outputs
                .and_then(|outputs| outputs.rows_by_sink())
                .map_err(|error| JobError::failed(format!("seed {seed}: {error}")))?;
            for (sink, rows) in &expected {
                let (found, wanted) = (found.get(sink).map_or(0, Vec::len), rows.len());
                if found != wanted {
                    return Err(JobError::failed(format!(
                        "seed {seed}: sink `{sink}` has {found} rows, should have {wanted}"
                    )));
                }
            }
            if found != expected {
                return Err(JobError::failed(format!("seed {seed}: a sink has other rows")));
            }
        }
        Ok(())
    }

    fn run_seed(&self, seed: u64, crashes: Crashes, batch: usize) -> Result<TestOutputs> {
        let (disk, cues, views) = (SimulatedDisk::new(), Cues::default(), TestViews::default());
        let bench = TestBench {
            scripts: self.scripts.clone(),
            settings: self.settings.clone(),
            views: views.clone(),
            cues: cues.clone(),
            disk: disk.clone(),
            batch,
        };
        let build = Arc::clone(&self.build);
        let build = Flow::test_builder(Arc::new(bench), move |flow| build(flow));
        let mut random = Random::new(!seed);
        let metrics = Metrics::default();
        let folder = Folder::open(Arc::new(disk.clone()), "/checkpoints")?;
        let mut config = JobConfig::new("test", folder);
        config.checkpoint_every = ms(10 + random.below(300));
        config.metrics = metrics.clone();
        config.stop = StopSignal::default();
        let scenario = Scenario {
            config,
            build,
            workers: self.workers.clone(),
            disk: disk.clone(),
            crashes,
            cues,
            crash_now: Arc::new(|| false),
            observe: Arc::new(|| {}),
        };
        let starts = simulate(&scenario, seed)?;
        disk.restart();
        Ok(TestOutputs { disk, views, metrics, starts })
    }
}
