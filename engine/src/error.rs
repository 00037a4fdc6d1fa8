//! What can go wrong with a job, and what the process says about it when it exits.

use crate::time::Epoch;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fmt;
use std::io;

/// The kind of a failure; decides the exit code of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorKind {
    /// The command line is wrong (exit 64).
    Usage,
    /// A record broke a rule the user asked to be strict about (exit 65).
    Data,
    /// Something the job needs cannot be reached (exit 69).
    Unavailable,
    /// Another process of the job is gone; started again, the job goes on (exit 69).
    Lost,
    /// An operator failed, or the engine has a bug (exit 70).
    Failed,
    /// A checkpoint could not be written or read (exit 74).
    Checkpoint,
    /// The configuration is wrong or does not fit the state (exit 78).
    Configuration,
}

impl ErrorKind {
    /// The process exit code, after sysexits.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 64,
            Self::Data => 65,
            Self::Unavailable | Self::Lost => 69,
            Self::Failed => 70,
            Self::Checkpoint => 74,
            Self::Configuration => 78,
        }
    }
}

/// The source of a [`JobError`], if another error caused it.
type Cause = Box<dyn Error + Send + Sync>;

/// Why a job stopped: what, where, why, and what to do next.
#[derive(Debug)]
pub struct JobError {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// What happened, with names and places.
    pub what: String,
    /// Operator, source or sink it happened in.
    pub place: Option<String>,
    /// The next step for the person who reads it.
    pub hint: Option<String>,
    cause: Option<Cause>,
}

impl JobError {
    /// A failure of this kind.
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), place: None, hint: None, cause: None }
    }

    /// A wrong configuration.
    pub fn configuration(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Configuration, what)
    }

    /// A checkpoint that cannot be written or read.
    pub fn checkpoint(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Checkpoint, what)
    }

    /// A failed operator or a bug.
    pub fn failed(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, what)
    }

    /// Something unreachable.
    pub fn unavailable(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, what)
    }

    /// Names the operator, source or sink; the innermost name given first stays.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place.get_or_insert(place.into());
        self
    }

    /// Adds the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.what)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for JobError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// Whether the process, or the system, may not open another file.
pub(crate) fn is_out_of_files(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// The next step where something else stands in the place of a file.
const NO_FILE: &str =
    "name an ordinary file on a disk: a folder, a pipe, a device or /proc cannot do this";

/// The next step after an error of the operating system. A job that is run again goes on from its
/// last checkpoint.
#[must_use]
pub fn way_out(error: &io::Error) -> &'static str {
    use io::ErrorKind::{
        FileTooLarge, InvalidInput, IsADirectory, NotADirectory, NotFound, NotSeekable,
        PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull, Unsupported,
    };
    if is_out_of_files(error) {
        return "allow more open files (ulimit -n) and run the job again; it goes on where it stopped";
    }
    if Errno::from_io_error(error) == Some(Errno::NXIO) {
        return NO_FILE;
    }
    match error.kind() {
        StorageFull | QuotaExceeded => {
            "make room on the disk and run the job again; it goes on where it stopped"
        }
        FileTooLarge => {
            "allow larger files (ulimit -f) and run the job again; it goes on where it stopped"
        }
        PermissionDenied => "let the user of the job have it, or name another place",
        ReadOnlyFilesystem => "name a place on a disk that may be written",
        NotFound | NotADirectory => "check the path: a folder on it is missing or is a file",
        InvalidInput | IsADirectory | NotSeekable | Unsupported => NO_FILE,
        _ => "mend what the system says and run the job again; it goes on where it stopped",
    }
}

/// The result of everything that can stop a job.
pub type Result<T, E = JobError> = std::result::Result<T, E>;

/// Names an epoch in an error text.
pub(crate) fn in_epoch(epoch: Epoch) -> impl Fn(JobError) -> JobError {
    move |error| JobError { what: format!("epoch {epoch}: {}", error.what), ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_step_depends_on_what_the_system_says() {
        let hint = |code: Errno| way_out(&code.into());
        for (code, word) in [
            (Errno::MFILE, "ulimit -n"),
            (Errno::NOSPC, "make room"),
            (Errno::FBIG, "ulimit -f"),
            (Errno::ACCESS, "let the user"),
            (Errno::ROFS, "may be written"),
            (Errno::NOENT, "check the path"),
            (Errno::INVAL, "ordinary file"),
            (Errno::ISDIR, "ordinary file"),
            (Errno::NXIO, "ordinary file"),
            (Errno::IO, "mend what the system says"),
        ] {
            assert!(hint(code).contains(word), "{code}: {}", hint(code));
        }
    }
}
