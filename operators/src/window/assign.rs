//! Which windows an event time is in.

use super::pane::Window;
use std::time::Duration;
use waystream_engine::error::JobError;
use waystream_engine::time::{Timestamp, millis};

/// Windows of one size, end to end, aligned to 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tumbling {
    size: Duration,
}

/// Windows of one size that start at every multiple of the slide and overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sliding {
    size: Duration,
    slide: Duration,
}

/// Windows that end with a silence longer than the gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    gap: Duration,
}

impl Tumbling {
    /// Windows of this size, in whole milliseconds.
    #[must_use]
    pub fn of(size: Duration) -> Self {
        Self { size }
    }
}

impl Sliding {
    /// Windows of this size, one for every slide; the size is a multiple of the slide.
    #[must_use]
    pub fn of(size: Duration, slide: Duration) -> Self {
        Self { size, slide }
    }
}

impl Session {
    /// Sessions that a silence longer than `gap` separates. Events that are exactly `gap` apart are
    /// in one session.
    #[must_use]
    pub fn gap(gap: Duration) -> Self {
        Self { gap }
    }

    pub(super) fn gap_ms(self) -> Result<i64, WindowError> {
        whole_ms("session gap", self.gap)
    }
}

/// Why windows cannot be as declared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// A length is zero or has parts of a millisecond.
    #[error("a {what} of {length:?} is not a positive whole number of milliseconds")]
    Length {
        /// Which length.
        what: &'static str,
        /// What was given.
        length: Duration,
    },
    /// The slide is longer than the size: events would be in no window.
    #[error("windows of {size:?} that slide by {slide:?} leave gaps between them")]
    Gaps {
        /// The size.
        size: Duration,
        /// The slide.
        slide: Duration,
    },
    /// The size is not a multiple of the slide.
    #[error("windows of {size:?} cannot slide by {slide:?}, which does not divide them")]
    Uneven {
        /// The size.
        size: Duration,
        /// The slide.
        slide: Duration,
    },
}

impl From<WindowError> for JobError {
    fn from(error: WindowError) -> Self {
        Self::configuration(error.to_string())
            .hint("use whole milliseconds, and a slide that divides the size")
    }
}

fn whole_ms(what: &'static str, length: Duration) -> Result<i64, WindowError> {
    let whole = length.subsec_nanos().is_multiple_of(1_000_000) && !length.is_zero();
    whole.then(|| millis(length)).ok_or(WindowError::Length { what, length })
}

/// Windows of a fixed size, [`Tumbling`] or [`Sliding`]: which ones an event is in follows from its
/// time alone.
pub trait FixedWindows {
    /// The windows, checked.
    ///
    /// # Errors
    /// If there can be no such windows.
    fn windows(&self) -> Result<Windows, WindowError>;
}

impl FixedWindows for Tumbling {
    fn windows(&self) -> Result<Windows, WindowError> {
        let size_ms = whole_ms("window size", self.size)?;
        Ok(Windows { size_ms, slide_ms: size_ms })
    }
}

impl FixedWindows for Sliding {
    fn windows(&self) -> Result<Windows, WindowError> {
        let Self { size, slide } = *self;
        let size_ms = whole_ms("window size", size)?;
        let slide_ms = whole_ms("window slide", slide)?;
        if slide_ms > size_ms {
            return Err(WindowError::Gaps { size, slide });
        }
        if size_ms % slide_ms != 0 {
            return Err(WindowError::Uneven { size, slide });
        }
        Ok(Windows { size_ms, slide_ms })
    }
}

/// Checked windows of a fixed size: tumbling ones are sliding ones that slide by their size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    size_ms: i64,
    slide_ms: i64,
}

impl Windows {
    /// How many windows every event is in.
    pub(super) fn per_event(&self) -> usize {
        usize::try_from(self.size_ms / self.slide_ms).unwrap_or(usize::MAX)
    }

    /// The start of the latest window that holds this time.
    pub(super) fn latest_start_ms(&self, time: Timestamp) -> i64 {
        time.0.div_euclid(self.slide_ms).saturating_mul(self.slide_ms)
    }

    /// The starts of all windows that hold this time, latest first.
    pub(super) fn starts_ms(&self, time: Timestamp) -> impl Iterator<Item = i64> + use<> {
        let (latest, slide_ms) = (self.latest_start_ms(time), self.slide_ms);
        (0..self.size_ms / slide_ms).map(move |back| latest.saturating_sub(back * slide_ms))
    }

    /// The window that starts here.
    pub(super) fn window(&self, start_ms: i64) -> Window {
        let end = Timestamp(start_ms.saturating_add(self.size_ms));
        Window { start: Timestamp(start_ms), end }
    }

    /// A short text that is equal for equal windows.
    pub(super) fn describe(&self) -> String {
        format!("{} ms every {} ms", self.size_ms, self.slide_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use waystream_engine::time::{ms, secs};

    #[test]
    fn what_makes_no_sense_is_refused() {
        let sliding = |size, slide| Sliding::of(size, slide).windows();
        assert!(Tumbling::of(secs(0)).windows().is_err());
        assert!(Tumbling::of(Duration::from_micros(1_500)).windows().is_err());
        assert!(Session::gap(Duration::from_nanos(1)).gap_ms().is_err());
        assert_eq!(Session::gap(secs(2)).gap_ms(), Ok(2_000));
        assert!(matches!(sliding(secs(1), secs(2)), Err(WindowError::Gaps { .. })));
        assert!(matches!(sliding(secs(5), secs(2)), Err(WindowError::Uneven { .. })));
        assert!(matches!(sliding(secs(5), secs(0)), Err(WindowError::Length { .. })));
        let same = (sliding(secs(5), secs(5)), Tumbling::of(secs(5)).windows());
        assert_eq!(same.0, same.1);
        assert_eq!(
            sliding(secs(5), secs(2)).unwrap_err().to_string(),
            "windows of 5s cannot slide by 2s, which does not divide them"
        );
    }

    #[test]
    fn windows_are_aligned_to_the_epoch_before_it_too() {
        let windows = Sliding::of(ms(10), ms(5)).windows().unwrap();
        let starts = |time| windows.starts_ms(Timestamp(time)).collect::<Vec<_>>();
        assert_eq!(starts(0), [0, -5]);
        assert_eq!(starts(-1), [-5, -10]);
        assert_eq!(starts(12), [10, 5]);
        for time in [i64::MIN, i64::MAX] {
            assert_eq!(starts(time).len(), windows.per_event());
        }
    }

    proptest! {
        #[test]
        fn exactly_the_windows_around_a_time(time in -500i64..500, slide in 1u64..9, times in 1u64..6) {
            let windows = Sliding::of(ms(slide * times), ms(slide)).windows().unwrap();
            let mut starts: Vec<_> = windows.starts_ms(Timestamp(time)).collect();
            starts.reverse();
            let holds = |start: &i64| {
                let window = windows.window(*start);
                start.rem_euclid(slide as i64) == 0 && window.start.0 <= time && time < window.end.0
            };
            let all: Vec<_> = (-600..600).filter(holds).collect();
            prop_assert_eq!(starts, all);
        }
    }
}
