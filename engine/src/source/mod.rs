//! The contract of a source: partitions, each read in order from a position that can be kept.
//!
//! A source is made to fit files and Kafka alike. Partitions are numbered and may appear while the
//! job runs; a position is opaque bytes of the connector's own; `read` may block, because it runs
//! on a thread of its own, and the bounded channel behind it is the backpressure: while the job
//! cannot take more, nobody calls `read`.

mod event_time;
mod feed;
mod published;
mod runtime;

pub use event_time::EventTime;
pub(crate) use runtime::{SourceRuntime, SourceSettings, SourceStage};

use crate::error::Result;
use crate::event::Data;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A partition of a source, by number and by a name that people recognise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number; decides which worker reads it, and breaks ties between records.
    pub index: u16,
    /// Its name: a file, or topic and partition.
    pub name: String,
}

/// Where to go on reading, in the connector's own encoding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub Vec<u8>);

/// Something a job can read.
pub trait Source: Send {
    /// What it yields.
    type Record: Data;

    /// Tells it, before anything else, whether the job goes on from a checkpoint of this source. A
    /// partition that is opened without a position has appeared since then.
    fn begin(&mut self, _resumes: bool) {}

    /// The partitions there are now. Asked again while the job runs if the source is unbounded;
    /// a partition that was there must stay.
    ///
    /// # Errors
    /// If the source cannot be reached or its settings are wrong.
    fn partitions(&mut self) -> Result<Vec<Partition>>;

    /// Opens a partition at a position, or at its beginning.
    ///
    /// # Errors
    /// If it cannot be read, or what is there is not what the position was taken from.
    fn open(
        &mut self,
        partition: &Partition,
        from: Option<&Position>,
    ) -> Result<Box<dyn Reader<Record = Self::Record>>>;

    /// How long after it was asked for partitions an unbounded source is asked again.
    fn discover_every(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// Tells it where a start would go on in each partition from now on: for those who watch, not
    /// for itself. A checkpoint that is given up later may have been told before.
    fn committed(&mut self, _positions: Vec<(Partition, Position)>) {}

    /// Whether it ends by itself.
    fn is_bounded(&self) -> bool;

    /// What it reads, in a form that changes when state taken from it no longer fits.
    fn identity(&self) -> String;
}

/// Reads one partition in order.
pub trait Reader: Send {
    /// What it yields.
    type Record;

    /// Appends what comes next to `batch` and says where to go on. About a thousand records at a
    /// time is right. May block for up to a hundred milliseconds.
    ///
    /// # Errors
    /// If reading fails. A record that cannot be decoded is no error but a [`Reject`].
    fn read(&mut self, batch: &mut ReadBatch<Self::Record>) -> Result<ReadStatus>;
}

/// What a call to [`Reader::read`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadStatus {
    /// There may be more right now.
    More,
    /// Nothing more before this long.
    Wait(Duration),
    /// The partition has ended.
    End,
}

/// Records of one partition, in order.
#[derive(Debug)]
pub struct ReadBatch<R> {
    /// Decoded records with their position in the partition (below 2^48).
    pub records: Vec<(u64, R)>,
    /// Records that could not be taken.
    pub rejects: Vec<Reject>,
    /// A promise of the source itself: no record before this time follows in the partition. Most
    /// sources make none.
    pub watermark: Option<Timestamp>,
    /// Where to go on after this batch. Kept also if the batch holds nothing else, unless empty.
    pub next: Position,
    /// How many records stand behind `next` in the partition, if that is known.
    pub behind: Option<u64>,
    /// Bytes of input behind the batch.
    pub bytes: usize,
}

impl<R> Default for ReadBatch<R> {
    fn default() -> Self {
        let (records, rejects) = Default::default();
        Self {
            records,
            rejects,
            watermark: None,
            next: Position::default(),
            behind: None,
            bytes: 0,
        }
    }
}

/// Why a record was not taken. The words are fixed: they are metric labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Not of the format at all.
    Malformed,
    /// A required field is missing or null.
    Missing,
    /// A field has the wrong type.
    WrongType,
    /// A number or text is outside what the field allows.
    OutOfRange,
    /// Larger or deeper than the limits.
    TooLarge,
    /// Its time lies too far ahead.
    Future,
}

impl Reason {
    /// The word written into dead letters and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Missing => "missing",
            Self::WrongType => "wrong_type",
            Self::OutOfRange => "out_of_range",
            Self::TooLarge => "too_large",
            Self::Future => "future",
        }
    }
}

/// A record that could not be taken, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Its position in the partition: row, line or offset.
    pub position: u64,
    /// Why.
    pub reason: Reason,
    /// The same for people, naming the field.
    pub error: String,
    /// The bytes as read, shortened if huge.
    pub raw: Vec<u8>,
}

/// A rejected record on its way to the dead-letter sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Source, as named in the job.
    pub source: String,
    /// Partition, by name.
    pub partition: String,
    /// Row, line or offset within the partition.
    pub offset: u64,
    /// Why, as a fixed word.
    pub reason: String,
    /// Why, for people.
    pub error: String,
    /// The bytes as read, in standard base64.
    pub raw_base64: String,
}

/// How the engine keeps a partition between epochs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) index: u16,
    pub(crate) next: Option<Position>,
    pub(crate) max_time: Timestamp,
    pub(crate) ended: bool,
}
