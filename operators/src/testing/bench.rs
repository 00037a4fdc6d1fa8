//! What a job under test reads and writes instead of its own sources and sinks.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use waystream_engine::checkpoint::Disk;
use waystream_engine::error::{JobError, Result};
use waystream_engine::event::Data;
use waystream_engine::simulation::{Cues, RowsFile, Script, SimulatedDisk, Step};
use waystream_engine::source::Source;
use waystream_engine::spec::{Deployment, Views};

/// Scripts by source name.
pub(super) type Scripts = BTreeMap<String, AnyScript>;

/// A script, `Vec<Vec<Step<R>>>`, with the name of its `R`.
#[derive(Clone)]
pub(super) struct AnyScript {
    steps: Arc<dyn Any + Send + Sync>,
    of: &'static str,
}

/// The scripts a job is given, and the disk its rows go to.
pub(crate) struct TestBench {
    pub(super) scripts: Scripts,
    pub(super) settings: BTreeMap<String, String>,
    pub(super) views: TestViews,
    pub(super) cues: Cues,
    pub(super) disk: SimulatedDisk,
    pub(super) batch: usize,
}

impl fmt::Debug for TestBench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TestBench")
    }
}

impl TestBench {
    /// The test as a deployment: a name in it that the job does not have is refused.
    pub(crate) fn deployment(&self) -> Deployment {
        let scripted = self.scripts.keys().map(|name| (name.clone(), "script:".to_owned()));
        Deployment {
            sources: scripted.collect(),
            sinks: BTreeMap::new(),
            settings: self.settings.clone(),
            views: Some(Arc::new(self.views.clone())),
            disk: self.disk(),
            ..Deployment::default()
        }
    }

    fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.disk.clone())
    }

    pub(crate) fn source<R: Data + Sync>(&self, name: &str) -> Result<Box<dyn Source<Record = R>>> {
        let steps = match self.scripts.get(name) {
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
        Ok(Box::new(Script::new(name, steps, self.cues.clone(), self.batch)))
    }

    pub(crate) fn sink<T: Data>(&self, name: &str) -> RowsFile<T> {
        RowsFile::new(self.disk(), out_path(name))
    }
}

/// What the views of a job show.
#[derive(Clone, Debug, Default)]
pub(super) struct TestViews(Arc<Mutex<Shown>>);

#[derive(Debug, Default)]
struct Shown {
    tables: BTreeMap<String, BTreeMap<String, String>>,
    tickers: BTreeMap<String, Vec<String>>,
}

impl TestViews {
    pub(super) fn table(&self, view: &str) -> BTreeMap<String, String> {
        self.lock().tables.get(view).cloned().unwrap_or_default()
    }

    pub(super) fn ticker(&self, view: &str) -> Vec<String> {
        self.lock().tickers.get(view).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Views for TestViews {
    fn apply(&self, view: &str, changes: Vec<(String, Option<String>)>) {
        let mut shown = self.lock();
        let table = shown.tables.entry(view.to_owned()).or_default();
        for (key, row) in changes {
            match row {
                Some(row) => table.insert(key, row),
                None => table.remove(&key),
            };
        }
    }

    fn append(&self, view: &str, rows: Vec<String>) {
        self.lock().tickers.entry(view.to_owned()).or_default().extend(rows);
    }
}

/// Where the rows of a sink are on the simulated disk.
pub(super) fn out_path(name: &str) -> PathBuf {
    PathBuf::from("/out").join(name.replace('/', "_"))
}

/// Adds steps to the script of a source.
pub(super) fn extend<R: Data + Sync>(
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
