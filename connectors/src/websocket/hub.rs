//! The hub holds every view of a job by name, and is where workers write.
//!
//! Writing never waits for a client: it takes the view's lock, updates a map, and rings sessions
//! that sleep.

use super::bell::Bell;
use super::protocol::Position;
use super::table::{Changes, KeyedRow, MessageSize, Table};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use waystream_engine::time::Epoch;

/// One change of a view: a row to set, or `None` to remove the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key of the row.
    pub key: String,
    /// The row as one JSON value, sent as it is.
    pub row: Option<Box<str>>,
}

/// All views of a job; clones share them.
///
/// ```
/// use waystream_connectors::websocket::Hub;
///
/// let hub = Hub::new(1);
/// hub.view("live").upsert("ship-1", r#"{"lat":40.7,"lon":-74.0}"#);
/// hub.ticker("stops", 200).append([r#"{"entity_id":"ship-1"}"#.into()]);
/// assert_eq!(hub.view("live").len(), 1);
/// ```
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

struct Shared {
    generation: u64,
    views: Mutex<BTreeMap<String, View>>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("generation", &self.shared.generation)
            .field("views", &self.views())
            .finish()
    }
}

impl Hub {
    /// An empty hub. Every frame carries `generation`: a new leader of the job takes a higher one,
    /// so that a client never mixes rows of two.
    #[must_use]
    pub fn new(generation: u64) -> Self {
        Self { shared: Arc::new(Shared { generation, views: Mutex::default() }) }
    }

    /// The generation given at the start.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.shared.generation
    }

    /// The view of this name, made empty when it is new. Keep it: finding it takes a lock.
    #[must_use]
    pub fn view(&self, name: &str) -> View {
        let mut views = lock(&self.shared.views);
        if let Some(view) = views.get(name) {
            return view.clone();
        }
        let view = View { name: Arc::from(name), table: Arc::default() };
        views.insert(name.to_owned(), view.clone());
        view
    }

    /// The view of this name as a list of the last `limit` rows (at least one).
    #[must_use]
    pub fn ticker(&self, name: &str, limit: usize) -> Ticker {
        Ticker { view: self.view(name), limit: limit.max(1) as u64 }
    }

    /// The view of this name, if there is one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<View> {
        lock(&self.shared.views).get(name).cloned()
    }

    /// Every view, by name.
    #[must_use]
    pub fn views(&self) -> Vec<View> {
        lock(&self.shared.views).values().cloned().collect()
    }

    /// Says that `epoch` is committed: changes from now on are stamped with a later one.
    pub fn seal(&self, epoch: Epoch) {
        for view in self.views() {
            lock(&view.table).seal(epoch);
        }
    }
}

/// A keyed table that clients see; clones share it, and any thread may write.
#[derive(Clone)]
pub struct View {
    name: Arc<str>,
    table: Arc<Mutex<Table>>,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("name", &self.name).field("rows", &self.len()).finish()
    }
}

impl View {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many rows it has.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.table).len()
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where it stands.
    #[must_use]
    pub fn at(&self) -> Position {
        lock(&self.table).at()
    }

    /// Sets the row of a key to one JSON value.
    pub fn upsert(&self, key: &str, row: impl Into<Box<str>>) {
        let mut table = lock(&self.table);
        table.upsert(key, row.into());
        table.ring();
    }

    /// Removes a key; an unknown one changes nothing.
    pub fn remove(&self, key: &str) {
        let mut table = lock(&self.table);
        table.remove(key);
        table.ring();
    }

    /// Applies changes in order under one lock: a client that stands at a frontier has all of them
    /// or none.
    pub fn apply(&self, changes: Vec<Change>) {
        let mut table = lock(&self.table);
        for change in changes {
            match change.row {
                Some(row) => table.upsert(&change.key, row),
                None => table.remove(&change.key),
            }
        }
        table.ring();
    }

    /// The JSON text of a key's row.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Arc<str>> {
        lock(&self.table).get(key)
    }

    /// All rows with their keys, and where they stand.
    #[must_use]
    pub fn rows(&self) -> (Position, Vec<KeyedRow>) {
        let table = lock(&self.table);
        (table.at(), table.all())
    }

    /// Registers a reader, which is first told of all rows.
    pub(super) fn subscribe(&self, bell: Arc<Bell>) -> Subscription {
        let reader = lock(&self.table).register(bell);
        Subscription { view: self.clone(), reader }
    }
}

/// A view that keeps the last rows appended, keyed by their number.
#[derive(Clone, Debug)]
pub struct Ticker {
    view: View,
    limit: u64,
}

impl Ticker {
    /// The view under it.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Appends rows, each one JSON value; the oldest beyond the limit leave.
    pub fn append(&self, rows: impl IntoIterator<Item = Box<str>>) {
        let mut table = lock(&self.view.table);
        for row in rows {
            let number = table.next_number();
            table.upsert(&number.to_string(), row);
            if let Some(oldest) = number.checked_sub(self.limit) {
                table.remove(&oldest.to_string());
            }
        }
        table.ring();
    }
}

/// One client's place in a view; dropping it unregisters the client.
#[derive(Debug)]
pub(super) struct Subscription {
    view: View,
    reader: u64,
}

impl Subscription {
    /// What it is told after the last call, at most one frame.
    pub(super) fn changes(&self, size: MessageSize) -> Changes {
        lock(&self.view.table).changes(self.reader, size)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        lock(&self.view.table).unregister(self.reader);
    }
}

/// A lock whose holder panicked still guards a whole map: every step below leaves one.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
