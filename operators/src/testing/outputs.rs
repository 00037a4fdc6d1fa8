//! What a job under test has put out, and what it took.

use super::bench::{TestViews, out_path};
use std::collections::BTreeMap;
use std::sync::Arc;
use waystream_engine::checkpoint::Disk;
use waystream_engine::did_you_mean;
use waystream_engine::error::Result;
use waystream_engine::event::Data;
use waystream_engine::metrics::Metrics;
use waystream_engine::simulation::{RowsFile, SimulatedDisk};

/// What a job under test has put out.
#[derive(Debug)]
pub struct TestOutputs {
    pub(super) disk: SimulatedDisk,
    pub(super) views: TestViews,
    pub(super) metrics: Metrics,
    pub(super) starts: u32,
}

impl TestOutputs {
    /// The committed rows of a sink, in the order they were committed.
    ///
    /// # Panics
    /// If the job has no such sink, or its rows are of another type.
    #[must_use]
    pub fn output<T: Data>(&self, sink: &str) -> Vec<T> {
        let sinks = self.metrics.sinks();
        if !sinks.contains_key(sink) {
            let hint = did_you_mean(sink, sinks.keys().map(String::as_str));
            panic!("the job has no sink `{sink}`; {hint}");
        }
        let rows = RowsFile::<T>::new(Arc::new(self.disk.clone()), out_path(sink)).read();
        rows.unwrap_or_else(|error| panic!("output `{sink}`: {error}"))
    }

    /// What a view shows at the end: its rows as JSON, by key.
    #[must_use]
    pub fn view(&self, view: &str) -> BTreeMap<String, String> {
        self.views.table(view)
    }

    /// What a ticker has shown: its rows as JSON. After a crash rows that were not committed are
    /// shown again.
    #[must_use]
    pub fn ticker(&self, view: &str) -> Vec<String> {
        self.views.ticker(view)
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

    pub(super) fn rows_by_sink(&self) -> Result<BTreeMap<String, Vec<Vec<u8>>>> {
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
