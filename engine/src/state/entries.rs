//! A buffer of encoded state changes: what an increment of a checkpoint is made of.

use crate::error::{JobError, Result};
use serde::Serialize;

/// Encoded changes in the order they were made, with the key group of each.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    bytes: Vec<u8>,
    index: Vec<Position>,
}

#[derive(Clone, Copy, Debug)]
struct Position {
    group: u16,
    removed: bool,
    start: u32,
    key_end: u32,
    end: u32,
}

/// One change: the key's encoding and the value's, or none if the key was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Key group the entry belongs to.
    pub group: u16,
    /// Postcard encoding of the address.
    pub key: &'a [u8],
    /// Postcard encoding of the value; `None` removes the key.
    pub value: Option<&'a [u8]>,
}

impl Entries {
    /// How many changes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a value.
    ///
    /// # Errors
    /// If the value cannot be encoded, or the increment would pass 4 GiB.
    pub fn put(&mut self, group: u16, key: &impl Serialize, value: &impl Serialize) -> Result<()> {
        let start = self.bytes.len();
        self.append(key)?;
        let key_end = self.bytes.len();
        self.append(value)?;
        self.close(group, false, start, key_end)
    }

    /// Adds a removal.
    ///
    /// # Errors
    /// If the key cannot be encoded, or the increment would pass 4 GiB.
    pub fn remove(&mut self, group: u16, key: &impl Serialize) -> Result<()> {
        let start = self.bytes.len();
        self.append(key)?;
        let end = self.bytes.len();
        self.close(group, true, start, end)
    }

    /// Adds an entry that is encoded already.
    ///
    /// # Errors
    /// If the increment would pass 4 GiB.
    pub fn push(&mut self, entry: Entry<'_>) -> Result<()> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(entry.key);
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(entry.value.unwrap_or_default());
        self.close(entry.group, entry.value.is_none(), start, key_end)
    }

    /// The changes in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.index.iter().map(|position| self.entry(*position))
    }

    /// Orders the changes by key group, keeping their order within a group.
    pub fn sort_by_group(&mut self) {
        self.index.sort_by_key(|position| position.group);
    }

    fn entry(&self, at: Position) -> Entry<'_> {
        let value = &self.bytes[at.key_end as usize..at.end as usize];
        Entry {
            group: at.group,
            key: &self.bytes[at.start as usize..at.key_end as usize],
            value: (!at.removed).then_some(value),
        }
    }

    fn append(&mut self, part: &impl Serialize) -> Result<()> {
        let bytes = std::mem::take(&mut self.bytes);
        self.bytes = postcard::to_extend(part, bytes)
            .map_err(|error| JobError::failed("state cannot be encoded").caused_by(error))?;
        Ok(())
    }

    fn close(&mut self, group: u16, removed: bool, start: usize, key_end: usize) -> Result<()> {
        let fit = |n: usize| {
            u32::try_from(n).map_err(|_| {
                JobError::checkpoint("one epoch changed more than 4 GiB of one operator's state")
                    .hint("checkpoint more often, or run more workers")
            })
        };
        let (start, key_end, end) = (fit(start)?, fit(key_end)?, fit(self.bytes.len())?);
        self.index.push(Position { group, removed, start, key_end, end });
        Ok(())
    }
}
