//! The first error of a job: everybody stops when it is set, and it is what the user reads.

use crate::error::{ErrorKind, JobError};
use std::sync::{Arc, OnceLock};

/// Holds the first error of a job, shared by all its threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failure(Arc<OnceLock<JobError>>);

impl Failure {
    /// Records an error; later ones are only logged.
    pub(crate) fn set(&self, error: JobError) {
        if let Err(later) = self.0.set(error) {
            match later.kind {
                // All connections of a job end when one of its processes does.
                ErrorKind::Lost => tracing::debug!(error = %later, "lost after the job had failed"),
                _ => tracing::warn!(error = %later, "another error after the job had failed"),
            }
        }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    pub(crate) fn into_error(self) -> Option<JobError> {
        match Arc::try_unwrap(self.0) {
            Ok(cell) => cell.into_inner(),
            Err(shared) => Self(shared).copy(),
        }
    }

    /// The error, for somebody else to read too.
    pub(crate) fn copy(&self) -> Option<JobError> {
        self.0.get().map(|error| {
            let mut copy = JobError::new(error.kind, error.to_string());
            copy.hint.clone_from(&error.hint);
            copy
        })
    }
}
