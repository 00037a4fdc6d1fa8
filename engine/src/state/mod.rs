//! Keyed state: one open-addressing table per operator and worker, its timers, and its increments.

mod entries;
mod prefetch;
mod slot_index;
mod slot_set;
mod table;
mod timers;

pub use entries::{Entries, Entry};
pub use table::{Slot, Table};
pub use timers::{Deadline, Timers};

/// Changed entries that are encoded before other work gets a turn; about half a millisecond.
pub const ENTRIES_PER_SLICE: usize = 4096;

use serde::{Serialize, de::DeserializeOwned};

/// A value kept per key across restarts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept as state",
    note = "derive serde::Serialize and serde::Deserialize for it; it must own its data"
)]
pub trait State: Serialize + DeserializeOwned + 'static {}
impl<S: Serialize + DeserializeOwned + 'static> State for S {}
