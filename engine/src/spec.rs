//! What a job writes where a source or sink goes: a default in code that a deployment can replace
//! by name.

use crate::checkpoint::{Disk, LocalDisk};
use crate::error::Result;
use crate::event::Data;
use crate::sink::Sink;
use crate::source::Source;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a job's views are shown while it runs. Rows are JSON.
pub trait Views: Send + Sync {
    /// Sets rows of a keyed view, or removes them with `None`.
    fn apply(&self, view: &str, changes: Vec<(String, Option<String>)>);

    /// Adds rows to a view that shows the latest ones.
    fn append(&self, view: &str, rows: Vec<String>);
}

impl fmt::Debug for dyn Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Views")
    }
}

/// What is decided outside a job's code: which URL a named source or sink has.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// URLs of sources by name.
    pub sources: BTreeMap<String, String>,
    /// URLs of sinks by name.
    pub sinks: BTreeMap<String, String>,
    /// Settings of the job by name.
    pub settings: BTreeMap<String, String>,
    /// Where views are shown; `None` if nobody can look.
    pub views: Option<Arc<dyn Views>>,
    /// The disk that file sinks write to.
    pub disk: Arc<dyn Disk>,
    /// What the outputs of file sinks belong to.
    pub history: History,
}

/// The checkpoints of a job, as far as its outputs have to know them.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The job's name.
    pub job: String,
    /// Their folder.
    pub checkpoints: PathBuf,
    /// Whether the job goes on from one of them, so that outputs may have been written under the
    /// name of another folder: that of a savepoint's job, or of a folder that was moved.
    pub resumes: bool,
}

impl Default for Deployment {
    fn default() -> Self {
        let disk = Arc::new(LocalDisk);
        let (sources, sinks, settings, history) = Default::default();
        Self { sources, sinks, settings, views: None, disk, history }
    }
}

/// What a spec is opened with.
#[derive(Clone, Debug)]
pub struct OpenContext {
    /// The source's or sink's name in the job.
    pub name: String,
    /// The URL the deployment gives it, if any.
    pub url: Option<String>,
    /// The disk that file sinks write to.
    pub disk: Arc<dyn Disk>,
    /// What the output of a file sink belongs to.
    pub history: History,
}

/// Something that can become a source of records of type `R`. Opening does no input or output;
/// the source does that when it is first asked for its partitions.
pub trait SourceSpec<R: Data> {
    /// Makes the source.
    ///
    /// # Errors
    /// If the URL is wrong or of an unknown scheme.
    fn open(self, context: &OpenContext) -> Result<Box<dyn Source<Record = R>>>;

    /// Whether it has no end and tells what happens now.
    fn is_live(&self, _context: &OpenContext) -> bool {
        false
    }
}

/// Something that can become a sink for rows of type `T`.
pub trait SinkSpec<T: Data> {
    /// Makes the sink; `None` if the deployment does not want its rows.
    ///
    /// # Errors
    /// If the URL is wrong or of an unknown scheme.
    fn open(self, context: &OpenContext) -> Result<Option<Box<dyn Sink<T>>>>;
}
