//! What a window yields: a value for a key and a stretch of event time.

use serde::{Deserialize, Serialize};
use waystream_engine::time::Timestamp;

/// A stretch of event time; its start belongs to it, its end does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// The first millisecond in it.
    pub start: Timestamp,
    /// The first millisecond after it.
    pub end: Timestamp,
}

impl Window {
    /// The last millisecond in it: the event time of what it yields.
    #[must_use]
    pub fn last(&self) -> Timestamp {
        Timestamp(self.end.0.saturating_sub(1))
    }
}

/// The value of one key in one window.
///
/// A window yields one pane when the watermark reaches its end, and another for every late event
/// that is still allowed. The latest pane of a key and window holds all that the earlier ones do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pane<K, A> {
    /// The key.
    pub key: K,
    /// The window.
    pub window: Window,
    /// What was made of its events.
    pub value: A,
}
