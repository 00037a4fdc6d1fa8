//! The contract of a sink: rows are encoded where they arise, staged in the checkpoint of their
//! epoch, and made visible by a committer after the epoch counts.
//!
//! The committer is told the same rows again after a crash and must end in the same place: a file
//! sink writes at a known offset, a transactional one reads back which epoch it marked last. What
//! it owes stays in the checkpoint until it confirms, however long that takes.

use crate::checkpoint::Confirmed;
use crate::error::Result;
use crate::job::StopSignal;
use crate::time::Epoch;
use std::fmt;
use std::sync::Arc;

/// Where a job writes rows of type `T`.
pub trait Sink<T>: 'static {
    /// The word for its framing of rows and its words for a position, such as `jsonl`; says nothing
    /// of where it writes. A checkpoint keeps it, and another kind of sink of the same name is
    /// refused, for it would misread what the first one is owed and has confirmed.
    fn kind(&self) -> &'static str;

    /// An encoder for one worker.
    ///
    /// # Errors
    /// If rows cannot be written in the form that was asked for.
    fn encoder(&self) -> Result<Box<dyn Encoder<T>>>;

    /// The one committer of the sink.
    ///
    /// # Errors
    /// If the target cannot be used.
    fn committer(&self) -> Result<Box<dyn Committer>>;
}

impl<T: 'static> Sink<T> for Box<dyn Sink<T>> {
    fn kind(&self) -> &'static str {
        (**self).kind()
    }

    fn encoder(&self) -> Result<Box<dyn Encoder<T>>> {
        (**self).encoder()
    }

    fn committer(&self) -> Result<Box<dyn Committer>> {
        (**self).committer()
    }
}

/// Encodes rows. Runs on the worker, so it must not wait for anything.
pub trait Encoder<T> {
    /// Appends one row with the framing that the committer expects. A buffer may be empty before
    /// any row; the committer is given all of an epoch joined.
    ///
    /// # Errors
    /// If the row cannot be encoded; stops the job.
    fn encode(&mut self, row: &T, into: &mut Vec<u8>) -> Result<()>;
}

/// Rows that one worker staged in one epoch.
#[derive(Clone, PartialEq, Eq)]
pub struct StagedBatch {
    /// The epoch.
    pub epoch: Epoch,
    /// How many rows.
    pub rows: u64,
    /// The rows as the encoder framed them.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for StagedBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StagedBatch").field("epoch", &self.epoch).field("rows", &self.rows).finish()
    }
}

/// Whether no later run of the job has taken over its checkpoints.
pub type IsCurrent = Arc<dyn Fn() -> Result<bool> + Send + Sync>;

/// The run that a committer serves.
#[derive(Clone)]
pub struct Run {
    /// The last epoch of the checkpoint it begins with. Rows of later epochs do not count yet.
    pub epoch: Epoch,
    /// The names of the histories whose epochs lead to that checkpoint; the run's own is the last.
    /// A history begins with an empty state or a savepoint; epochs are numbered within one.
    pub lineage: Vec<String>,
    /// Its number among all runs over the same checkpoints.
    pub generation: u64,
    /// Tells a run that was replaced from one that only lost its place at the target.
    pub is_current: IsCurrent,
    /// Whether the job was asked to stop: then a target that does not answer is not waited for.
    pub stop: StopSignal,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("epoch", &self.epoch)
            .field("lineage", &self.lineage)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// Makes rows visible, exactly once. Runs on a thread of its own and may wait.
pub trait Committer: Send {
    /// Tells it which run it serves, before anything else. A target that cannot give up rows has to
    /// know which epochs they are of.
    fn begin(&mut self, _run: &Run) {}

    /// Called once, before rows come: the target holds the rows up to `confirmed`, and perhaps
    /// some of those that follow, from a run that was cut off or, after a fallback to an older
    /// checkpoint, from epochs that do not count any more. They come again, perhaps in another
    /// order, so the target gives them up here, or knows which of them it has; one that can do
    /// neither refuses.
    ///
    /// # Errors
    /// If the target is not what `confirmed` was taken from, or cannot go back to it.
    fn recover(&mut self, confirmed: Option<&Confirmed>) -> Result<()>;

    /// Takes rows of epochs up to `epoch`, in order. Returns how far the target is complete and
    /// durable, or `None` if it keeps collecting.
    ///
    /// # Errors
    /// If they cannot be written; stops the job, and they stay owed.
    fn commit(&mut self, epoch: Epoch, batches: Vec<StagedBatch>) -> Result<Option<Confirmed>>;

    /// Makes everything visible that was taken; `epoch` is the last one.
    ///
    /// # Errors
    /// As [`Self::commit`].
    fn finish(&mut self, epoch: Epoch) -> Result<Option<Confirmed>>;
}
