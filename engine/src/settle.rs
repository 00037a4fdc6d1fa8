//! Pays what a stopped job owes its sinks, without running it.

use crate::error::{JobError, Result};
use crate::failure::Failure;
use crate::job::{Begin, Build, JobConfig, Takeover};
use crate::time::Epoch;

/// What settling came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The last epoch of the checkpoint.
    pub epoch: Epoch,
    /// Rows that were made visible, or found to be so.
    pub rows: u64,
}

/// Makes visible what the newest checkpoint of a job says its sinks are owed.
///
/// # Errors
/// If there is no checkpoint, the job runs, or a sink cannot be paid.
pub fn settle(config: JobConfig, build: Build) -> Result<Settled> {
    let place = config.checkpoints.path().display().to_string();
    let config = JobConfig { fresh: false, from: None, ..config };
    let takeover = match Takeover::begin(config, build, Failure::default())? {
        Begin::Ready(takeover) => takeover,
        Begin::Finished(outcome) => {
            let epoch = outcome.resumed_from.unwrap_or_default();
            return Ok(Settled { epoch, rows: 0 });
        }
    };
    if takeover.resumed_from.is_none() {
        return Err(JobError::configuration(format!("{place} holds no checkpoint"))
            .hint("name the folder of a job that has run with --checkpoints"));
    }
    takeover.settle()
}
