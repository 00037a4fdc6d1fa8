//! The contract of a keyed operator: what an event and a due timer do to the state of a key.

use crate::error::Result;
use crate::event::{Data, Event};
use crate::key::{Address, Key, PerKey};
use crate::state::{Deadline, State, Table};
use crate::time::Timestamp;

/// A keyed operator. Sees one event at a time, in the order its sender sent them, never a
/// capability or a channel; what it emits goes out behind it in the same epoch.
pub trait Operator<K: Key, T: Data>: 'static {
    /// What names one of its state entries: [`PerKey`] or [`PerWindow`](crate::key::PerWindow).
    type Address: Address;
    /// The value of an entry.
    type State: State;
    /// What it emits.
    type Output: Data;

    /// The kind of operator and version of its state, as written into checkpoints.
    fn schema(&self) -> String;

    /// The table hash of the entry an event will touch first; only used to fetch it early.
    fn first_touched(&self, key_hash: u64, event: &Event<T>) -> u64 {
        let _ = event;
        key_hash
    }

    /// Takes an event.
    ///
    /// # Errors
    /// An error stops the job; the epoch is never committed.
    fn on_event(
        &mut self,
        key: K,
        event: Event<T>,
        scope: &mut Scope<'_, Self::Address, Self::State, Self::Output, T>,
    ) -> Result<()>;

    /// Takes a deadline that has come. The entry is in `slot`; its deadline is cleared.
    ///
    /// # Errors
    /// An error stops the job; the epoch is never committed.
    fn on_timer(
        &mut self,
        slot: u32,
        due: Due,
        scope: &mut Scope<'_, Self::Address, Self::State, Self::Output, T>,
    ) -> Result<()> {
        let _ = (slot, due, scope);
        Ok(())
    }

    /// What an entry of the checkpoint that the job starts from says now, as if it had just been
    /// emitted; told to views only, which begin empty. `None` where what was emitted cannot be told
    /// from what is kept.
    fn current(&self, address: &Self::Address, state: &Self::State) -> Option<Self::Output> {
        let _ = (address, state);
        None
    }

    /// The watermark has moved and everything that was due by it is done. Called on each worker.
    fn on_watermark(&mut self, watermark: Timestamp) {
        let _ = watermark;
    }
}

/// A deadline that has come, and the clock it was set on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The watermark has passed this event time.
    Event(Timestamp),
    /// This processing time has come.
    Clock(Timestamp),
}

/// What an operator works with while it handles one event or timer.
#[derive(Debug)]
pub struct Scope<'a, A, S, O, T> {
    /// Hash of the event's key; 0 in a timer.
    pub key_hash: u64,
    /// Combined watermark of all senders: no event that is on time comes before it.
    pub watermark: Timestamp,
    /// Processing time.
    pub now: Timestamp,
    /// State entries of this worker.
    pub table: &'a mut Table<A, S>,
    pub(crate) out: &'a mut Vec<Event<O>>,
    pub(crate) late: &'a mut Vec<Event<T>>,
}

impl<A: Address, S: State, O, T> Scope<'_, A, S, O, T> {
    /// Emits an event.
    pub fn emit(&mut self, event: Event<O>) {
        self.out.push(event);
    }

    /// Emits a value that a timer produced, at this event time. It is never late.
    pub fn emit_at(&mut self, time: Timestamp, value: O) {
        self.out.push(Event::of_timer(time, value));
    }

    /// Hands back an event that came too late to count.
    pub fn late(&mut self, event: Event<T>) {
        self.late.push(event);
    }

    /// The slot of an entry, made by `or_insert` if it is not there.
    ///
    /// # Errors
    /// If the table is full.
    pub fn slot(&mut self, address: A, or_insert: impl FnOnce() -> S) -> Result<u32> {
        let hash = address.spread(self.key_hash);
        match self.table.find(hash, &address) {
            Some(slot) => Ok(slot),
            None => self.table.insert(hash, address, or_insert()),
        }
    }

    /// The value in a slot, for writing.
    ///
    /// # Errors
    /// If the value of the closing epoch cannot be encoded.
    pub fn state(&mut self, slot: u32) -> Result<&mut S> {
        Ok(&mut self.table.write(slot)?.state)
    }

    /// The event-time deadline of an entry.
    #[must_use]
    pub fn deadline(&self, slot: u32) -> Deadline {
        self.table.event_timers.deadline(slot)
    }

    /// Sets or clears the event-time deadline of an entry.
    ///
    /// # Errors
    /// If the value of the closing epoch cannot be encoded.
    pub fn wake_at(&mut self, slot: u32, deadline: Deadline) -> Result<()> {
        self.table.wake_at(slot, deadline)
    }
}

impl<K: Key, S: State, O, T> Scope<'_, PerKey<K>, S, O, T> {
    /// The slot of a key's only entry, made by `or_insert` if it is not there.
    ///
    /// # Errors
    /// If the table is full.
    pub fn slot_of(&mut self, key: K, or_insert: impl FnOnce() -> S) -> Result<u32> {
        self.slot(PerKey(key), or_insert)
    }
}
