//! What a window yields: a value for a key and a stretch of event time.

use serde::{Deserialize, Serialize};
use waystream_engine::time::Timestamp;

/// The value of one key in one window.
///
/// A window yields one pane when the watermark reaches its end, and another for every late event
/// that is still allowed. The latest pane of a key and window holds all that the earlier ones do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pane<K, A> {
    /// The key.
    pub key: K,
    /// The first millisecond of the window.
    pub start: Timestamp,
    /// The first millisecond after it.
    pub end: Timestamp,
    /// What was made of its events.
    pub value: A,
}

/// A stretch of event time; its start belongs to it, its end does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

impl Window {
    /// The last millisecond in it: the event time of what it yields.
    pub(super) fn last(self) -> Timestamp {
        Timestamp(self.end.0.saturating_sub(1))
    }
}

impl<K, A> Pane<K, A> {
    pub(super) fn of(key: K, Window { start, end }: Window, value: A) -> Self {
        Self { key, start, end, value }
    }
}
