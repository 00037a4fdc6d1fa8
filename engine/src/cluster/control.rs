//! What process 0 tells the others and is told by them, beside the dataflow.

use super::counts::Counts;
use super::relay::ShownRows;
use super::wire::Wire;
use crate::error::{ErrorKind, JobError, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// What process 0 decides.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Decision {
    /// Restore this checkpoint, which is claimed, and begin.
    Start(Vec<u8>),
    /// An earlier run has finished the job: there is nothing to do.
    Finished,
    /// Stop with a final checkpoint.
    Stop,
    /// The job has failed.
    Failed(Told),
    /// All is done and counted.
    Done,
}

/// What process 0 is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum News {
    /// Somebody asked this process to stop.
    StopWanted,
    /// This process has failed.
    Failed(Told),
    /// What it has counted since it began.
    Counted(Counts),
    /// Rows it shows.
    Shown(ShownRows),
    /// It has nothing left to do.
    Done,
}

/// An error on its way to another process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Told {
    kind: ErrorKind,
    place: Option<String>,
    what: String,
    hint: Option<String>,
}

impl Told {
    pub(super) fn of(error: &JobError) -> Self {
        let text = error.to_string();
        let place = error.place.as_ref().map(|place| format!("{place}: "));
        let what = place.as_ref().and_then(|place| text.strip_prefix(place)).unwrap_or(&text);
        let (what, hint) = (what.to_owned(), error.hint.clone());
        Self { kind: error.kind, place: error.place.clone(), what, hint }
    }

    pub(super) fn into_error(self) -> JobError {
        let mut error = JobError::new(self.kind, self.what);
        (error.place, error.hint) = (self.place, self.hint);
        error
    }
}

/// Sends one message.
pub(super) fn tell(wire: &Wire, message: &impl Serialize) -> Result<()> {
    let bytes = postcard::to_stdvec(message).map_err(|error| {
        JobError::failed("a message between processes cannot be encoded").caused_by(error)
    })?;
    wire.send_message(&bytes)
}

/// Reads one message.
pub(super) fn understood<M: DeserializeOwned>(wire: &Wire, bytes: &[u8]) -> Result<M> {
    postcard::from_bytes(bytes).map_err(|_| wire.peer.lost("it sent what is not understood"))
}

/// The error that another process has told of, and whether more can be told.
#[derive(Debug, Default)]
pub(super) struct Cause {
    state: Mutex<(Option<JobError>, bool)>,
    changed: Condvar,
}

impl Cause {
    /// Keeps the first error. A lost peer is no cause where somebody says why it went.
    pub(super) fn tell(&self, error: JobError) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_better = |old: &JobError| old.kind == ErrorKind::Lost && error.kind != old.kind;
        if state.0.as_ref().is_none_or(is_better) {
            state.0 = Some(error);
        }
        self.changed.notify_all();
    }

    /// Says that nobody is left who could tell.
    pub(super) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.changed.notify_all();
    }

    /// Takes the cause, waiting for it until nobody can tell, but no longer than this.
    pub(super) fn take(&self, patience: Duration) -> Option<JobError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let no_cause = |(error, is_closed): &mut (Option<JobError>, bool)| {
            !*is_closed && error.as_ref().is_none_or(|error| error.kind == ErrorKind::Lost)
        };
        let waited = self.changed.wait_timeout_while(state, patience, no_cause);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.0.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_arrives_as_it_left() {
        let cause = std::io::Error::other("no room");
        let error =
            JobError::checkpoint("cannot write").at("sink x").hint("make room").caused_by(cause);
        let told = Told::of(&error).into_error();
        assert_eq!(told.to_string(), "sink x: cannot write: no room");
        assert_eq!((told.kind, told.hint, told.place), (error.kind, error.hint, error.place));
    }

    #[test]
    fn who_says_why_is_preferred_to_who_was_lost() {
        let cause = Cause::default();
        cause.tell(JobError::new(ErrorKind::Lost, "lost"));
        cause.tell(JobError::failed("first"));
        cause.tell(JobError::failed("second"));
        let taken = cause.take(Duration::from_secs(60)).unwrap();
        assert_eq!(taken.to_string(), "first");
        cause.close();
        assert!(cause.take(Duration::from_secs(60)).is_none());
    }
}
