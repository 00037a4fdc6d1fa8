//! A record on its way through the dataflow: a value with its event time and where it came from.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What can flow through a job: any plain type that derives `Clone`, `Serialize` and `Deserialize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot flow through a job",
    note = "derive Clone, serde::Serialize and serde::Deserialize for it; it must own its data"
)]
pub trait Data: Clone + Send + Serialize + DeserializeOwned + 'static {}
impl<T: Clone + Send + Serialize + DeserializeOwned + 'static> Data for T {}

/// Where a record was read: the partition's index and the position inside it.
///
/// Orders records of equal event time the way the source holds them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Origin(u64);

impl Origin {
    const POSITION_BITS: u32 = 48;

    /// An origin at `position` (below 2^48) of the partition with this index.
    #[must_use]
    pub fn new(partition: u16, position: u64) -> Self {
        let position = position & ((1 << Self::POSITION_BITS) - 1);
        Self((u64::from(partition) << Self::POSITION_BITS) | position)
    }

    /// The partition's index within its source.
    #[must_use]
    pub fn partition(self) -> u16 {
        (self.0 >> Self::POSITION_BITS) as u16
    }

    /// Row number, offset or line of the record within its partition.
    #[must_use]
    pub fn position(self) -> u64 {
        self.0 & ((1 << Self::POSITION_BITS) - 1)
    }
}

/// A value with its event time, its own partition's watermark at that moment, and its origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event<T> {
    /// When it happened.
    pub time: Timestamp,
    /// The watermark of the record's own partition just before the record. Lateness is judged
    /// against this and nothing else, so it depends on the input log alone.
    pub watermark: Timestamp,
    /// Where it was read.
    pub origin: Origin,
    /// The record itself.
    pub value: T,
}

impl<T> Event<T> {
    /// What a timer puts out at a time: an event of no partition, never late.
    pub fn of_timer(time: Timestamp, value: T) -> Self {
        Self { time, watermark: Timestamp::MIN, origin: Origin::default(), value }
    }

    /// The same event carrying another value.
    pub fn with<U>(&self, value: U) -> Event<U> {
        Event { time: self.time, watermark: self.watermark, origin: self.origin, value }
    }

    /// Whether its own partition had already promised a later time, by more than `allowed_ms`.
    #[must_use]
    pub fn is_late(&self, allowed_ms: i64) -> bool {
        self.time.0 < self.watermark.0.saturating_sub(allowed_ms)
    }
}
