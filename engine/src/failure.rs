//! The first error of a job: everybody stops when it is set, and it is what the user reads.

use crate::error::JobError;
use std::sync::{Arc, OnceLock};

/// Holds the first error of a job, shared by all its threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failure(Arc<OnceLock<JobError>>);

impl Failure {
    /// Records an error; later ones are only logged.
    pub(crate) fn set(&self, error: JobError) {
        if let Err(later) = self.0.set(error) {
            tracing::warn!(error = %later, "another error after the job had failed");
        }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    pub(crate) fn into_error(self) -> Option<JobError> {
        match Arc::try_unwrap(self.0) {
            Ok(cell) => cell.into_inner(),
            Err(shared) => shared.get().map(|error| {
                let mut copy = JobError::new(error.kind, error.to_string());
                copy.hint.clone_from(&error.hint);
                copy
            }),
        }
    }
}
