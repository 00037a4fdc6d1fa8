//! Runs a job in a test, unmodified: sources and sinks replaced by name, crashes where the test
//! wants them, or wherever thousands of seeds put them.

use crate::flow::Flow;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use waystream_engine::checkpoint::{Disk, Folder};
use waystream_engine::error::{JobError, Result};
use waystream_engine::event::Data;
use waystream_engine::job::{JobConfig, StopSignal};
use waystream_engine::metrics::Metrics;
use waystream_engine::simulation::{
    CrashMarkers, Crashes, Random, RowsFile, Scenario, Script, SimulatedDisk, Step, simulate,
};
use waystream_engine::source::Source;
use waystream_engine::time::ms;

/// Scripts by source name.
type Scripts = BTreeMap<String, AnyScript>;

/// A script, `Vec<Vec<Step<R>>>`, with the name of its `R`.
#[derive(Clone)]
struct AnyScript {
    steps: Arc<dyn Any + Send + Sync>,
    of: &'static str,
}

/// What a job under test reads and writes.
pub(crate) struct TestBench {
    scripts: Scripts,
    markers: CrashMarkers,
    disk: SimulatedDisk,
    batch: usize,
}

impl fmt::Debug for TestBench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TestBench")
    }
}

impl TestBench {
    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.disk.clone())
    }

    pub(crate) fn source<R: Data + Sync>(&self, name: &str) -> Result<Box<dyn Source<Record = R>>> {
        let script = match self.scripts.get(name) {
            None => Vec::new(),
            Some(script) => {
                let steps = script.steps.downcast_ref::<Vec<Vec<Step<R>>>>().ok_or_else(|| {
                    let (wanted, given) = (std::any::type_name::<R>(), script.of);
                    JobError::configuration(format!("the test gives `{name}` records of {given}"))
                        .hint(format!("the source reads {wanted}"))
                })?;
                steps.clone()
            }
        };
        Ok(Box::new(Script::new(script, self.markers.clone(), self.batch)))
    }

    pub(crate) fn sink<T: Data>(&self, name: &str) -> RowsFile<T> {
        RowsFile::new(self.disk(), out_path(name))
    }
}

fn out_path(name: &str) -> PathBuf {
    PathBuf::from("/out").join(name.replace('/', "_"))
}

/// The declaration of a job, as the test kit keeps it.
type BuildFlow = Arc<dyn Fn(&Flow) + Send + Sync>;

/// Adds a crash marker to a script of some type.
type AddCrash = Arc<dyn Fn(&mut Scripts) + Send + Sync>;

/// A job under test.
#[derive(Clone)]
pub struct TestJob {
    build: BuildFlow,
    scripts: Scripts,
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
        Self { build, scripts: Scripts::new(), add_crash: None, workers: vec![1] }
    }

    /// What the source of this name reads, as its only partition; given again, it goes on.
    #[must_use]
    pub fn input<R: Data + Sync>(self, source: &str, records: impl IntoIterator<Item = R>) -> Self {
        self.input_of_partition(source, 0, records)
    }

    /// What one partition of the source of this name reads.
    #[must_use]
    pub fn input_of_partition<R: Data + Sync>(
        mut self,
        source: &str,
        partition: usize,
        records: impl IntoIterator<Item = R>,
    ) -> Self {
        let steps = records.into_iter().map(Step::Record).collect();
        extend::<R>(&mut self.scripts, source, partition, steps);
        let source = source.to_owned();
        self.add_crash = Some(Arc::new(move |scripts| {
            extend::<R>(scripts, &source, partition, vec![Step::Crash]);
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
        let (disk, markers) = (SimulatedDisk::new(), CrashMarkers::default());
        let scripts = self.scripts.clone();
        let bench = TestBench { scripts, markers: markers.clone(), disk: disk.clone(), batch };
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
            crash_now: Arc::new(move || markers.take_pending()),
            observe: Arc::new(|| {}),
        };
        let starts = simulate(&scenario, seed)?;
        disk.restart();
        Ok(TestOutputs { disk, metrics, starts })
    }
}

fn extend<R: Data + Sync>(
    scripts: &mut Scripts,
    source: &str,
    partition: usize,
    steps: Vec<Step<R>>,
) {
    let old = scripts.remove(source);
    let old = old.and_then(|script| script.steps.downcast::<Vec<Vec<Step<R>>>>().ok());
    let mut script = old.map(|old| (*old).clone()).unwrap_or_default();
    script.resize_with(script.len().max(partition + 1), Vec::new);
    script[partition].extend(steps);
    let (steps, of) = (Arc::new(script), std::any::type_name::<R>());
    scripts.insert(source.to_owned(), AnyScript { steps, of });
}

/// What a job under test has put out.
#[derive(Debug)]
pub struct TestOutputs {
    disk: SimulatedDisk,
    metrics: Metrics,
    starts: u32,
}

impl TestOutputs {
    /// The committed rows of a sink, in the order they were committed.
    ///
    /// # Panics
    /// If the rows are of another type.
    #[must_use]
    pub fn output<T: Data>(&self, sink: &str) -> Vec<T> {
        let rows = RowsFile::<T>::new(Arc::new(self.disk.clone()), out_path(sink)).read();
        rows.unwrap_or_else(|error| panic!("output `{sink}`: {error}"))
    }

    /// The job's counters.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How often the job was started: once, and once more after every crash.
    #[must_use]
    pub fn starts(&self) -> u32 {
        self.starts
    }

    fn rows_by_sink(&self) -> Result<BTreeMap<String, Vec<Vec<u8>>>> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let mut rows = BTreeMap::new();
        for name in self.metrics.sinks().into_keys() {
            let mut sink = RowsFile::<()>::new(Arc::clone(&disk), out_path(&name)).read_raw()?;
            sink.sort_unstable();
            rows.insert(name, sink);
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Change, EventTime, Flow, TestJob, Timestamp, Unset, ms};

    type Fix = (u32, i64, u32);

    fn job(flow: &Flow) {
        let event_time = EventTime::by(|fix: &Fix| Timestamp(fix.1)).out_of_order(ms(30));
        let ordered = flow.source("fixes", Unset, event_time).key_by(|fix| fix.0).ordered("order");
        ordered
            .clone()
            .live("latest", |latest: &mut u32, fix: Fix| *latest = fix.2)
            .expire_after(ms(100))
            .sink("changes", Unset);
        ordered.stateful("log", |_: &mut (), fix: Fix| Some(fix)).sink("log", Unset);
    }

    fn fixes(from: i64, to: i64) -> Vec<Fix> {
        (from..to).map(|i| ((i % 3) as u32, i * 10 - (i % 2) * 25, (i / 6) as u32)).collect()
    }

    #[test]
    fn a_crash_in_the_input_changes_nothing() {
        let calm = TestJob::new(job).input("fixes", fixes(0, 60)).run().unwrap();
        let crashed = TestJob::new(job).input("fixes", fixes(0, 25)).crash();
        let crashed = crashed.input("fixes", fixes(25, 60)).run().unwrap();
        assert_eq!((calm.starts(), crashed.starts()), (1, 2));
        assert_eq!(calm.output::<Fix>("log"), crashed.output::<Fix>("log"));
        let changes = calm.output::<Change<u32, u32>>("changes");
        assert_eq!(changes, crashed.output::<Change<u32, u32>>("changes"));
        assert!(matches!(changes.last(), Some(Change::Remove { .. })));
    }

    #[test]
    fn any_users_job_can_be_simulated() {
        let job = TestJob::new(job).input("fixes", fixes(0, 200)).workers([1, 2, 3]);
        job.simulate(40).unwrap();
    }

    #[test]
    fn the_simulation_finds_state_outside_the_engine() {
        use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let forgetful = |flow: &Flow| {
            flow.source("fixes", Unset, EventTime::by(|fix: &Fix| Timestamp(fix.1)))
                .map(|fix| (fix.0, COUNT.fetch_add(1, Relaxed)))
                .sink("numbered", Unset);
        };
        let job = TestJob::new(forgetful).input("fixes", fixes(0, 50));
        assert!(job.simulate(20).is_err());
    }
}
