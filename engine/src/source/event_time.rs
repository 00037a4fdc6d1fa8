//! How a source tells event time: where it is in a record, how far out of order it may come, and
//! when a silent partition stops holding the others back.

use crate::time::Timestamp;
use std::fmt;
use std::time::Duration;

/// Where event time is in a record and what a partition promises about it.
pub struct EventTime<R> {
    time_of: Box<dyn Fn(&R) -> Timestamp>,
    pub(crate) out_of_order: Duration,
    pub(crate) idle_after: Option<Duration>,
}

impl<R> EventTime<R> {
    /// Event time as this function reads it from a record.
    pub fn by(time_of: impl Fn(&R) -> Timestamp + 'static) -> Self {
        Self { time_of: Box::new(time_of), out_of_order: Duration::ZERO, idle_after: None }
    }

    /// How far behind the newest record of its partition a record may come and still be on time.
    /// The partition's watermark stays this much behind its newest record.
    #[must_use]
    pub fn out_of_order(mut self, slack: Duration) -> Self {
        self.out_of_order = slack;
        self
    }

    /// After this much silence a partition no longer holds the watermark back, until it speaks.
    #[must_use]
    pub fn idle_after(mut self, silence: Duration) -> Self {
        self.idle_after = Some(silence);
        self
    }

    pub(crate) fn of(&self, record: &R) -> Timestamp {
        (self.time_of)(record)
    }
}

impl<R> fmt::Debug for EventTime<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventTime")
            .field("out_of_order", &self.out_of_order)
            .finish_non_exhaustive()
    }
}
