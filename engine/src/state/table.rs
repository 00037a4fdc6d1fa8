//! The state table: slots found by hash, values inline in fixed chunks, and the
//! entries that changed since the last checkpoint in a set of their own.
//!
//! A checkpoint does not stop the table. Closing an epoch only swaps the sets of changed entries;
//! they are encoded afterwards in slices, and an entry that is written again before its turn is
//! encoded first. So the increment holds the state as of the close, at a bounded pause.

use super::prefetch::prefetch;
use super::slot_index::SlotIndex;
use super::slot_set::SlotSet;
use super::{Deadline, Entries, Entry, State, Timers};
use crate::error::{JobError, Result};
use crate::key::{Address, key_group};
use crate::sabotage::{Sabotage, planted};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

const CHUNK_BITS: u32 = 12;
const CHUNK: usize = 1 << CHUNK_BITS;

/// Encoded bytes after which other work gets a turn.
const SLICE_BYTES: usize = 1 << 19;

/// How many lookups ahead an entry is fetched: about as many lines as a core can wait for at once.
const ENTRIES_AHEAD: usize = 24;
/// How many lookups ahead its place in the index is fetched.
const INDEX_AHEAD: usize = 2 * ENTRIES_AHEAD;

/// A state entry in place.
#[derive(Debug)]
pub struct Slot<A, S> {
    /// Which entry it is.
    pub address: A,
    /// Its value.
    pub state: S,
}

/// The state of one operator on one worker.
#[derive(Debug)]
pub struct Table<A, S> {
    index: SlotIndex,
    chunks: Vec<Vec<Option<Slot<A, S>>>>,
    free: Vec<u32>,
    /// Deadlines in event time.
    pub event_timers: Timers,
    /// Deadlines in processing time.
    pub clock_timers: Timers,
    /// Slots changed in the open epoch, and what was removed in it.
    dirty: SlotSet,
    removed: Entries,
    /// Slots of the closing epoch that are not yet encoded, and what is.
    pending: SlotSet,
    increment: Entries,
}

/// What a checkpoint keeps of an entry besides its address.
#[derive(Serialize, Deserialize)]
struct Kept<S> {
    event_deadline: Deadline,
    clock_deadline: Deadline,
    state: S,
}

impl<A, S> Default for Table<A, S> {
    fn default() -> Self {
        Self {
            index: SlotIndex::default(),
            chunks: Vec::new(),
            free: Vec::new(),
            event_timers: Timers::default(),
            clock_timers: Timers::default(),
            dirty: SlotSet::default(),
            removed: Entries::default(),
            pending: SlotSet::default(),
            increment: Entries::default(),
        }
    }
}

impl<A: Address, S: State> Table<A, S> {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.len() == 0
    }

    /// Fetches entries that are soon to be looked up, so that their memory is near by then. Called
    /// before each use of `hashes[at]`, for `at` from 0 on: first where an entry is comes near,
    /// then the entry, then it is used.
    pub fn fetch_ahead(&self, hashes: &[u64], at: usize) {
        if self.len() < CHUNK {
            return; // so small that it is near
        }
        let (index, entries) = match at {
            0 => (0..INDEX_AHEAD + 1, 0..ENTRIES_AHEAD + 1),
            _ => {
                (at + INDEX_AHEAD..at + INDEX_AHEAD + 1, at + ENTRIES_AHEAD..at + ENTRIES_AHEAD + 1)
            }
        };
        for hash in index.map_while(|at| hashes.get(at)) {
            self.index.prefetch(*hash);
        }
        for hash in entries.map_while(|at| hashes.get(at)) {
            let slot = self.index.candidates(*hash).next();
            if let Some(place) = slot.and_then(|slot| self.place_of(slot)) {
                prefetch(place);
            }
        }
    }

    /// The slot of an entry, if it exists.
    #[must_use]
    pub fn find(&self, hash: u64, address: &A) -> Option<u32> {
        let is_it = |slot: &u32| self.at(*slot).is_some_and(|entry| entry.address == *address);
        self.index.candidates(hash).find(is_it)
    }

    /// The entry in a slot.
    #[must_use]
    pub fn get(&self, slot: u32) -> Option<&Slot<A, S>> {
        self.at(slot)
    }

    /// The entry in a slot, for writing: it becomes part of the open epoch's increment.
    ///
    /// # Errors
    /// If the value of the closing epoch cannot be encoded.
    ///
    /// # Panics
    /// If the slot is free; slots come from this table only.
    pub fn write(&mut self, slot: u32) -> Result<&mut Slot<A, S>> {
        self.mark_dirty(slot)?;
        Ok(self.at_mut(slot).as_mut().expect("slot is occupied"))
    }

    /// Inserts an entry that is not there yet.
    ///
    /// # Errors
    /// If there are more than 2^32 entries.
    pub fn insert(&mut self, hash: u64, address: A, state: S) -> Result<u32> {
        let slot = self.place(hash, Slot { address, state })?;
        self.mark_dirty(slot)?;
        Ok(slot)
    }

    /// Removes the entry in a slot with its deadlines.
    ///
    /// # Errors
    /// If the address, or the value of the closing epoch, cannot be encoded.
    pub fn remove(&mut self, slot: u32) -> Result<Option<Slot<A, S>>> {
        self.settle_pending(slot)?;
        self.dirty.remove(slot);
        let Some(entry) = self.at_mut(slot).take() else { return Ok(None) };
        let key_hash = entry.address.key_hash();
        self.removed.remove(key_group(key_hash), &entry.address)?;
        self.index.remove(entry.address.spread(key_hash), slot);
        self.event_timers.set(slot, None);
        self.clock_timers.set(slot, None);
        self.free.push(slot);
        Ok(Some(entry))
    }

    /// All entries with their slots, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Slot<A, S>)> {
        self.chunks
            .iter()
            .flatten()
            .enumerate()
            .filter_map(|(slot, entry)| Some((slot as u32, entry.as_ref()?)))
    }

    /// Closes the open epoch: what changed since the last close becomes the pending increment.
    ///
    /// # Errors
    /// If an earlier increment is still pending and cannot be encoded.
    pub fn begin_increment(&mut self) -> Result<()> {
        while !self.encode_slice(usize::MAX)? {}
        std::mem::swap(&mut self.pending, &mut self.dirty);
        self.increment = std::mem::take(&mut self.removed);
        Ok(())
    }

    /// Encodes up to `limit` pending entries, fewer if they are large; true when none are left.
    ///
    /// # Errors
    /// If a value cannot be encoded.
    pub fn encode_slice(&mut self, limit: usize) -> Result<bool> {
        let mut bytes = 0;
        for _ in 0..limit {
            let Some(slot) = self.pending.first() else { return Ok(true) };
            bytes += self.settle_pending(slot)?;
            if bytes > SLICE_BYTES {
                break;
            }
        }
        Ok(self.pending.first().is_none())
    }

    /// The encoded increment, once [`Self::encode_slice`] has said that it is complete.
    pub fn take_increment(&mut self) -> Entries {
        std::mem::take(&mut self.increment)
    }

    /// Applies entries of a checkpoint.
    ///
    /// # Errors
    /// If the bytes do not decode to this table's types.
    pub fn restore(&mut self, entries: &[Entry<'_>]) -> Result<()> {
        if self.is_empty() {
            self.index.reserve(entries.len()); // later files mostly hold the same keys
        }
        for near in entries.chunks(INDEX_AHEAD) {
            let mut addresses = Vec::with_capacity(near.len());
            for entry in near {
                let address: A = postcard::from_bytes(entry.key).map_err(undecodable)?;
                let hash = address.spread(address.key_hash());
                self.index.prefetch(hash);
                addresses.push((address, hash));
            }
            for ((address, hash), entry) in addresses.into_iter().zip(near) {
                self.restore_one(address, hash, entry.value)?;
            }
        }
        Ok(())
    }

    fn restore_one(&mut self, address: A, hash: u64, value: Option<&[u8]>) -> Result<()> {
        if let Some(old) = self.find(hash, &address) {
            self.at_mut(old).take();
            self.index.remove(hash, old);
            self.event_timers.set(old, None);
            self.clock_timers.set(old, None);
            self.free.push(old);
        }
        let Some(value) = value else { return Ok(()) };
        let kept: Kept<S> = postcard::from_bytes(value).map_err(undecodable)?;
        let slot = self.place(hash, Slot { address, state: kept.state })?;
        if !planted(Sabotage::TimersNotRestored) {
            self.event_timers.set(slot, kept.event_deadline);
            self.clock_timers.set(slot, kept.clock_deadline);
        }
        Ok(())
    }

    fn at(&self, slot: u32) -> Option<&Slot<A, S>> {
        self.place_of(slot)?.as_ref()
    }

    /// Where an entry is, without looking at it.
    fn place_of(&self, slot: u32) -> Option<&Option<Slot<A, S>>> {
        self.chunks.get(slot as usize >> CHUNK_BITS)?.get(slot as usize & (CHUNK - 1))
    }

    fn at_mut(&mut self, slot: u32) -> &mut Option<Slot<A, S>> {
        &mut self.chunks[slot as usize >> CHUNK_BITS][slot as usize & (CHUNK - 1)]
    }

    fn mark_dirty(&mut self, slot: u32) -> Result<()> {
        if self.dirty.insert(slot) {
            self.settle_pending(slot)?;
        }
        Ok(())
    }

    /// Encodes the entry if the pending increment still waits for it; gives the bytes it takes.
    fn settle_pending(&mut self, slot: u32) -> Result<usize> {
        if !self.pending.remove(slot) {
            return Ok(0);
        }
        let entry = &self.chunks[slot as usize >> CHUNK_BITS][slot as usize & (CHUNK - 1)];
        let Some(entry) = entry else { return Ok(0) };
        let kept = Kept {
            event_deadline: self.event_timers.deadline(slot),
            clock_deadline: self.clock_timers.deadline(slot),
            state: &entry.state,
        };
        self.increment.put(key_group(entry.address.key_hash()), &entry.address, &kept)
    }

    fn place(&mut self, hash: u64, entry: Slot<A, S>) -> Result<u32> {
        let slot = match self.free.pop() {
            Some(slot) => {
                *self.at_mut(slot) = Some(entry);
                slot
            }
            None => self.append(entry)?,
        };
        self.index.insert(hash, slot);
        Ok(slot)
    }

    fn append(&mut self, entry: Slot<A, S>) -> Result<u32> {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let chunk = self.chunks.len() - 1;
        let slot = (chunk << CHUNK_BITS) + self.chunks[chunk].len();
        self.chunks[chunk].push(Some(entry));
        u32::try_from(slot).ok().filter(|slot| *slot < u32::MAX).ok_or_else(|| {
            JobError::failed("more than four billion state entries on one worker")
                .hint("run more workers, or let entries expire")
        })
    }
}

impl<A: Address, S: State> Table<A, S> {
    /// Sets the event-time deadline of a slot; part of the open epoch's increment.
    ///
    /// # Errors
    /// If the value of the closing epoch cannot be encoded.
    pub fn wake_at(&mut self, slot: u32, deadline: Deadline) -> Result<()> {
        if self.event_timers.deadline(slot) != deadline {
            self.mark_dirty(slot)?;
            self.event_timers.set(slot, deadline);
        }
        Ok(())
    }

    /// Sets the processing-time deadline of a slot; part of the open epoch's increment.
    ///
    /// # Errors
    /// If the value of the closing epoch cannot be encoded.
    pub fn wake_at_clock(&mut self, slot: u32, deadline: Deadline) -> Result<()> {
        if self.clock_timers.deadline(slot) != deadline {
            self.mark_dirty(slot)?;
            self.clock_timers.set(slot, deadline);
        }
        Ok(())
    }

    /// Takes one slot whose event-time deadline has come. The caller owes the entry a change:
    /// the deadline is gone from the table but not yet from the checkpoint.
    ///
    /// # Errors
    /// If the value of the closing epoch cannot be encoded.
    pub fn pop_event_timer(&mut self, watermark: Timestamp) -> Result<Option<(u32, Timestamp)>> {
        let Some((slot, at)) = self.event_timers.pop_due(watermark) else { return Ok(None) };
        self.mark_dirty(slot)?;
        self.event_timers.set(slot, None);
        Ok(Some((slot, at)))
    }

    /// The same for processing time.
    ///
    /// # Errors
    /// If the value of the closing epoch cannot be encoded.
    pub fn pop_clock_timer(&mut self, now: Timestamp) -> Result<Option<(u32, Timestamp)>> {
        let Some((slot, at)) = self.clock_timers.pop_due(now) else { return Ok(None) };
        self.mark_dirty(slot)?;
        self.clock_timers.set(slot, None);
        Ok(Some((slot, at)))
    }
}

fn undecodable(error: postcard::Error) -> JobError {
    JobError::checkpoint("state does not decode")
        .hint("its type has changed: run the version that wrote it, or start anew with --fresh")
        .caused_by(error)
}
