//! Event time and epochs: the two clocks a record lives by.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A point in event time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Before all of time; the watermark of a stream that has promised nothing yet.
    pub const MIN: Self = Self(i64::MIN);
    /// The end of time; the watermark of a bounded stream that has ended.
    pub const MAX: Self = Self(i64::MAX);

    /// This instant moved later by `duration`, saturating at [`Timestamp::MAX`].
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// This instant moved earlier by `duration`, saturating at [`Timestamp::MIN`].
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// Milliseconds from `earlier` to `self`, saturating.
    #[must_use]
    pub fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The whole milliseconds of a duration, saturating at `i64::MAX`.
#[must_use]
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A duration of `n` milliseconds.
#[must_use]
pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A duration of `n` seconds.
#[must_use]
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A duration of `n` minutes.
#[must_use]
pub const fn mins(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// Reads a duration with its unit, such as `500ms`, `60s`, `5min`, `2h` or `30d`.
///
/// # Errors
/// Says what to write.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let end = text.find(char::is_alphabetic).unwrap_or(text.len());
    let unit_ms = match &text[end..] {
        "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" => return Err("a duration needs a unit: ms, s, min, h or d".to_owned()),
        unit => return Err(format!("`{unit}` is no unit of time: use ms, s, min, h or d")),
    };
    let number: u64 = text[..end]
        .trim_end()
        .parse()
        .map_err(|_| "write a duration such as 500ms, 60s or 5min".to_owned())?;
    let ms = number.checked_mul(unit_ms).ok_or("that is longer than can be counted")?;
    Ok(Duration::from_millis(ms))
}

/// The unit of checkpoint and commit, and the only timestamp the dataflow knows.
///
/// Epochs are totally ordered and closed by the wall clock; numbers may be skipped.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a sender promises about the records that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Watermark {
    /// No record before this instant follows, late ones apart.
    At(Timestamp),
    /// The sender has nothing to say for now and holds nobody back.
    Idle,
}
