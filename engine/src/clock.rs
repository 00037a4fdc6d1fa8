//! Processing time, handed in so that tests and simulations can hold it.

use crate::time::Timestamp;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Tells processing time in milliseconds since 1970-01-01T00:00:00Z.
pub trait Clock: Send + Sync {
    /// The time now. Never goes back by more than the machine's own clock does.
    fn now(&self) -> Timestamp;

    /// Milliseconds from some beginning that never go back and do not jump when somebody sets the
    /// machine's clock: for how long something took, and when the next epoch is due.
    fn ticks_ms(&self) -> i64 {
        self.now().0
    }
}

impl fmt::Debug for dyn Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp(since.map_or(0, crate::time::millis))
    }

    #[allow(clippy::disallowed_methods, reason = "the one place that reads the machine's ticks")]
    fn ticks_ms(&self) -> i64 {
        static BEGINNING: OnceLock<Instant> = OnceLock::new();
        let now = Instant::now();
        crate::time::millis(now.duration_since(*BEGINNING.get_or_init(|| now)))
    }
}

/// A clock that stands still until it is moved.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.0)))
    }

    /// Moves the clock forward.
    pub fn advance_ms(&self, by_ms: i64) {
        self.0.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}
