//! What a supervisor and a process that it started say to each other, as lines of JSON over the
//! socket that is the process' standard input. It closes when either of them is gone.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::net::UnixStream;
use waystream_engine::error::{ErrorKind, JobError};

/// The longest line.
const MAX_LINE: u64 = 1 << 20;

/// What a supervisor tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Order {
    /// Be this process of the job.
    Join {
        index: usize,
        /// What all processes of this start share; it stands in no argument and no variable.
        secret: String,
        /// Names this start of all processes.
        run: String,
        /// Whether an earlier start has taken the job over: what `--fresh` gives up is gone.
        has_begun: bool,
    },
    /// Where all processes can be reached, by index.
    Hosts(Vec<String>),
    /// Stop with a final checkpoint.
    Stop,
}

/// What a process tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Report {
    /// It can be reached here.
    Listening(String),
    /// The job has been taken over.
    Begun,
    /// This epoch counts.
    Epoch(u64),
    /// Somebody asked it to stop.
    Stopping,
    /// The job has failed.
    Failed(Failed),
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failed {
    pub(super) kind: ErrorKind,
    pub(super) what: String,
    pub(super) hint: Option<String>,
    /// Whether the summary has told a program of it already.
    pub(super) is_told: bool,
}

impl Failed {
    pub(super) fn of(error: &JobError, is_told: bool) -> Self {
        Self { kind: error.kind, what: error.to_string(), hint: error.hint.clone(), is_told }
    }

    pub(super) fn into_error(self) -> JobError {
        let error = JobError::new(self.kind, self.what);
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// Sends a line.
pub(super) fn send(mut to: &UnixStream, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(message)?;
    line.push('\n');
    to.write_all(line.as_bytes())
}

/// Reads a line; `None` when the other side is gone.
pub(super) fn receive<M: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<M>> {
    let mut line = String::new();
    from.by_ref().take(MAX_LINE).read_line(&mut line)?;
    match line.is_empty() {
        true => Ok(None),
        false => Ok(Some(serde_json::from_str(&line)?)),
    }
}
