//! A stage: what runs in one timely operator. A source or a keyed operator, with everything
//! stateless behind it.

use super::edge::Payload;
use super::port::{Context, Staged};
use crate::error::Result;
use crate::state::{Entries, Entry};
use crate::time::{Timestamp, Watermark};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Names a stage within a job's plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StageId(pub(crate) u32);

/// What a stage adds to the checkpoint of one epoch.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The operator or source, as named by the user.
    pub section: Arc<str>,
    /// Its changed state.
    pub entries: Entries,
    /// Rows its sinks have staged, by sink.
    pub staged: BTreeMap<u32, Staged>,
}

/// Whether a stage wants to run again soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing left to do for now.
    Done,
    /// A slice of work was done and more is left.
    More,
}

/// A keyed operator as the driver sees it: types erased, one epoch open at a time.
pub(crate) trait Stage {
    /// Takes a batch of records from a sender, at a processing time.
    fn receive(&mut self, context: &mut Context, payload: Payload, now: Timestamp) -> Result<()>;

    /// Moves the combined watermark and fires what is due, up to a slice of work.
    fn advance(&mut self, context: &mut Context, to: Moment) -> Result<Progress>;

    /// The watermark that holds behind this stage, once [`Self::advance`] says `Done`.
    fn watermark_out(&self, watermark: Watermark) -> Watermark {
        watermark
    }

    /// The earliest processing time at which something is due.
    fn next_clock_deadline(&self) -> Option<Timestamp>;

    /// Closes the open epoch for the checkpoint.
    fn begin_increment(&mut self) -> Result<()>;

    /// Encodes a slice of the closed epoch's changes; `Some` when that was the last.
    fn encode_slice(&mut self, limit: usize) -> Result<Option<Entries>>;

    /// Applies entries of the checkpoint the job starts from.
    fn restore(&mut self, entries: &[Entry<'_>]) -> Result<()>;

    /// Puts out what every restored entry says now, in a [`Context::refill`].
    fn refill(&mut self, context: &mut Context) -> Result<()>;
}

impl fmt::Debug for dyn Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stage")
    }
}

/// How far both clocks have come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Combined watermark of all senders.
    pub watermark: Timestamp,
    /// Processing time.
    pub now: Timestamp,
}
