//! A keyed table that remembers what changed since any reader's position, not who waits for what.
//!
//! Every change takes the next sequence number and is noted once in a log that all readers share.
//! A reader is only a position: what waits for it are the keys whose last change lies beyond it,
//! so a slow reader sees the latest value of each key and nothing is queued per reader. Without
//! readers there is no log, and a change costs one map update.
//!
//! A snapshot is no copy either: a new reader walks the rows in the order in which they were born,
//! which no change upsets, and is told what changed meanwhile when it has been told of all.

use super::bell::Bell;
use super::protocol::{Position, key_bytes, row_bytes};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use waystream_engine::time::Epoch;

/// Log entries kept before the first compaction; also the slack of every later one.
const LOG_SLACK: usize = 1_024;

/// Removed keys remembered for slow readers, at least; beyond this and the number of live rows
/// the older half is forgotten and readers behind it start over with a snapshot. It costs each of
/// them one walk over the rows, and more removals would cost each new reader that.
const REMOVED_KEPT: usize = 1_024;

/// A row as it is sent: its key and its JSON text, shared by all who get it.
pub type KeyedRow = (Arc<str>, Arc<str>);

/// A part of all rows, each as it is now.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Where the reader began; what changed since is told after all rows.
    pub(super) at: Position,
    pub(super) rows: Vec<KeyedRow>,
    pub(super) first: bool,
    /// Whether the reader now holds the table as it is at `at`; otherwise more is ready.
    pub(super) last: bool,
}

/// What changed since a reader's last position.
#[derive(Debug, Default)]
pub(super) struct Delta {
    /// The reader's position after it.
    pub(super) at: Position,
    pub(super) upsert: Vec<KeyedRow>,
    pub(super) remove: Vec<Arc<str>>,
    /// Whether the reader now holds the table as it is at `at`; otherwise more is ready.
    pub(super) last: bool,
    /// Whether with it the reader has what it came for: all rows, at one position.
    pub(super) ends_snapshot: bool,
}

/// What a reader gets when it asks for changes.
#[derive(Debug)]
pub(super) enum Changes {
    /// Rows of its snapshot.
    Rows(Chunk),
    /// The changes, perhaps none.
    Delta(Delta),
    /// Removals the reader has not seen are forgotten: its snapshot begins anew.
    Lost,
    /// The next row is longer than a message: so many bytes. Nothing moved.
    TooLong(usize),
}

/// How much one message may hold; it ends before the row that would pass it.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageSize {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

impl MessageSize {
    /// Takes a row from what is left, if it fits.
    fn take(&mut self, bytes: usize) -> bool {
        let left = self.rows.checked_sub(1).zip(self.bytes.checked_sub(bytes));
        if let Some((rows, bytes)) = left {
            *self = Self { rows, bytes };
        }
        left.is_some()
    }
}

#[derive(Debug)]
struct Row {
    /// `None` marks a key removed while somebody who may hold it has not been told.
    text: Option<Arc<str>>,
    changed: u64,
    /// The first change since the key was last unknown to everybody.
    born: u64,
}

/// A key, and the change after which it stands here.
#[derive(Debug)]
struct Entry {
    changed: u64,
    key: Arc<str>,
}

/// How far a reader's snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    /// Rows that were born up to this change are told. Those born after the reader's position are
    /// none of its snapshot: their removal is told to those who had them as a change.
    Through(u64),
    /// All rows are told, but not all that changed meanwhile.
    CatchingUp,
    Done,
}

#[derive(Debug)]
struct Reader {
    seen: u64,
    walk: Walk,
    bell: Arc<Bell>,
}

/// The table; its view guards it with one lock.
#[derive(Debug)]
pub(super) struct Table {
    at: Position,
    rows: HashMap<Arc<str>, Row>,
    removed: usize,
    /// Keys in the order in which they were born. Bound: twice the keys plus [`LOG_SLACK`]; nobody
    /// waits, it is compacted.
    births: VecDeque<Entry>,
    /// Changes in order. Bound: twice the keys plus [`LOG_SLACK`]; nobody waits, it is compacted.
    log: VecDeque<Entry>,
    compact_at: usize,
    /// Changes up to here may be missing from the log.
    forgotten: u64,
    readers: HashMap<u64, Reader>,
    next_reader: u64,
    next_number: u64,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            at: Position::default(),
            rows: HashMap::new(),
            removed: 0,
            births: VecDeque::new(),
            log: VecDeque::new(),
            compact_at: LOG_SLACK,
            forgotten: 0,
            readers: HashMap::new(),
            next_reader: 0,
            next_number: 0,
        }
    }
}

impl Table {
    /// Where the table stands.
    pub(super) fn at(&self) -> Position {
        self.at
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len() - self.removed
    }

    /// The row of a key.
    pub(super) fn get(&self, key: &str) -> Option<Arc<str>> {
        self.rows.get(key)?.text.clone()
    }

    /// How many changes the log holds, and how many births are kept.
    #[cfg(test)]
    pub(super) fn lengths(&self) -> (usize, usize) {
        (self.log.len(), self.births.len())
    }

    /// Marks `epoch` as committed: what follows belongs to the next one.
    pub(super) fn seal(&mut self, epoch: Epoch) {
        self.at.epoch = self.at.epoch.max(epoch.0.saturating_add(1));
    }

    /// The next number of a row that is known by its number.
    pub(super) fn next_number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// Sets the row of a key.
    pub(super) fn upsert(&mut self, key: &str, text: Box<str>) {
        self.at.seq += 1;
        let changed = self.at.seq;
        let text = Some(Arc::from(text));
        if let Some(row) = self.rows.get_mut(key) {
            self.removed -= usize::from(row.text.is_none());
            row.text = text;
            row.changed = changed;
        } else {
            let key = Arc::<str>::from(key);
            self.births.push_back(Entry { changed, key: key.clone() });
            self.rows.insert(key, Row { text, changed, born: changed });
            self.compact_births();
        }
        self.note(key);
    }

    /// Removes a key; removing an unknown one changes nothing.
    pub(super) fn remove(&mut self, key: &str) {
        let Some(row) = self.rows.get_mut(key) else { return };
        if row.text.take().is_none() {
            return;
        }
        self.at.seq += 1;
        row.changed = self.at.seq;
        self.removed += 1;
        if self.readers.is_empty() {
            self.forget(key);
        } else {
            self.note(key);
        }
    }

    /// Wakes every reader.
    pub(super) fn ring(&self) {
        for reader in self.readers.values() {
            reader.bell.ring();
        }
    }

    /// Registers a reader, which is first told of all rows.
    pub(super) fn register(&mut self, bell: Arc<Bell>) -> u64 {
        let reader = self.next_reader;
        self.next_reader += 1;
        self.readers.insert(reader, Reader { seen: self.at.seq, walk: Walk::Through(0), bell });
        reader
    }

    /// All rows in the order of their last change.
    pub(super) fn all(&self) -> Vec<KeyedRow> {
        let mut rows: Vec<_> = self
            .rows
            .iter()
            .filter_map(|(key, row)| Some((row.changed, key.clone(), row.text.clone()?)))
            .collect();
        rows.sort_unstable_by_key(|(changed, ..)| *changed);
        rows.into_iter().map(|(_, key, text)| (key, text)).collect()
    }

    /// What a reader is told next, at most one message of it; moves the reader.
    pub(super) fn changes(&mut self, reader: u64, size: MessageSize) -> Changes {
        let Some(&Reader { seen, walk, .. }) = self.readers.get(&reader) else {
            return Changes::Delta(Delta { at: self.at, last: true, ..Delta::default() });
        };
        let next = if seen < self.forgotten {
            Ok((self.at.seq, Walk::Through(0), Changes::Lost))
        } else if let Walk::Through(born) = walk {
            let chunk = self.rows_after(born, seen, size);
            chunk.map(|(walk, chunk)| (seen, walk, Changes::Rows(chunk)))
        } else {
            self.changes_after(seen, size).map(|mut delta| {
                delta.ends_snapshot = delta.last && walk == Walk::CatchingUp;
                let walk = if delta.last { Walk::Done } else { walk };
                (delta.at.seq, walk, Changes::Delta(delta))
            })
        };
        let (seen, walk, changes) = match next {
            Ok(next) => next,
            Err(bytes) => return Changes::TooLong(bytes),
        };
        if let Some(reader) = self.readers.get_mut(&reader) {
            (reader.seen, reader.walk) = (seen, walk);
        }
        changes
    }

    /// Rows born after one change, and up to where their reader began; or how long the next is.
    fn rows_after(
        &self,
        mut born: u64,
        seen: u64,
        mut left: MessageSize,
    ) -> Result<(Walk, Chunk), usize> {
        let at = Position { seq: seen, ..self.at };
        let mut chunk = Chunk { at, rows: Vec::new(), first: born == 0, last: false };
        let first = self.births.partition_point(|entry| entry.changed <= born);
        for entry in self.births.range(first..).take_while(|entry| entry.changed <= seen) {
            let row = self.rows.get(&entry.key).filter(|row| row.born == entry.changed);
            let Some(text) = row.and_then(|row| row.text.as_ref()) else { continue };
            let bytes = row_bytes(&entry.key, text);
            if !left.take(bytes) {
                let walk = Walk::Through(born);
                return if chunk.rows.is_empty() { Err(bytes) } else { Ok((walk, chunk)) };
            }
            born = entry.changed;
            chunk.rows.push((entry.key.clone(), text.clone()));
        }
        chunk.last = seen == self.at.seq;
        Ok((if chunk.last { Walk::Done } else { Walk::CatchingUp }, chunk))
    }

    /// What changed after a position, or how long the next row is.
    fn changes_after(&self, seen: u64, mut left: MessageSize) -> Result<Delta, usize> {
        let mut delta = Delta { at: self.at, last: true, ..Delta::default() };
        let first = self.log.partition_point(|entry| entry.changed <= seen);
        for entry in self.log.range(first..) {
            let Some(row) = self.rows.get(&entry.key) else { continue };
            let unknown = row.text.is_none() && row.born > seen;
            if row.changed != entry.changed || unknown {
                continue;
            }
            let key = &entry.key;
            let bytes =
                row.text.as_ref().map_or_else(|| key_bytes(key), |text| row_bytes(key, text));
            if !left.take(bytes) {
                delta.last = false;
                let empty = delta.upsert.is_empty() && delta.remove.is_empty();
                return if empty { Err(bytes) } else { Ok(delta) };
            }
            delta.at.seq = entry.changed;
            match &row.text {
                Some(text) => delta.upsert.push((key.clone(), text.clone())),
                None => delta.remove.push(key.clone()),
            }
        }
        delta.at = self.at;
        Ok(delta)
    }

    /// Forgets a reader; with the last one goes the log.
    pub(super) fn unregister(&mut self, reader: u64) {
        self.readers.remove(&reader);
        if self.readers.is_empty() {
            self.log = VecDeque::new();
            self.compact_at = LOG_SLACK;
            self.rows.retain(|_, row| row.text.is_some());
            self.removed = 0;
            self.compact_births();
        }
    }

    /// Notes that a key changed just now.
    fn note(&mut self, key: &str) {
        if self.readers.is_empty() {
            return;
        }
        if let Some((key, _)) = self.rows.get_key_value(key) {
            self.log.push_back(Entry { changed: self.at.seq, key: key.clone() });
        }
        if self.log.len() >= self.compact_at {
            self.compact();
        }
    }

    /// Keeps the last change of each key that some reader still waits for.
    fn compact(&mut self) {
        let seen_by_all = self.readers.values().map(|reader| reader.seen).min();
        self.drop_through(seen_by_all.unwrap_or(self.at.seq));
        let rows = &self.rows;
        self.log
            .retain(|entry| rows.get(&entry.key).is_some_and(|row| row.changed == entry.changed));
        if self.removed > REMOVED_KEPT.max(self.len())
            && let Some(middle) = self.log.get(self.log.len() / 2)
        {
            self.forgotten = middle.changed;
            self.drop_through(self.forgotten);
        }
        self.compact_at = 2 * self.log.len() + LOG_SLACK;
    }

    /// Drops the log up to a change, with the removed keys nobody will be told of.
    fn drop_through(&mut self, changed: u64) {
        let kept = self.log.partition_point(|entry| entry.changed <= changed);
        for entry in self.log.drain(..kept).collect::<Vec<_>>() {
            let last = self.rows.get(&entry.key).filter(|row| row.changed == entry.changed);
            if last.is_some_and(|row| row.text.is_none()) {
                self.forget(&entry.key);
            }
        }
    }

    fn forget(&mut self, key: &str) {
        if self.rows.remove(key).is_some() {
            self.removed -= 1;
            self.compact_births();
        }
    }

    /// Drops births of keys that are forgotten, once they are as many as the rest.
    fn compact_births(&mut self) {
        let rows = &self.rows;
        if self.births.len() > 2 * rows.len() + LOG_SLACK {
            let lives =
                |entry: &Entry| rows.get(&entry.key).is_some_and(|row| row.born == entry.changed);
            self.births.retain(lives);
            self.births.shrink_to(2 * self.births.len() + LOG_SLACK);
        }
    }
}
