//! A buffer of encoded state changes: what an increment of a checkpoint is made of.

use crate::buffer::Buffer;
use crate::error::{JobError, Result};
use serde::Serialize;

/// Encoded changes in the order they were made, with the key group of each.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    buffers: Vec<Buffer>,
    /// Of each buffer, where its entries are.
    index: Vec<Vec<Position>>,
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
        self.index.iter().map(Vec::len).sum()
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Adds a value; gives the bytes it takes.
    ///
    /// # Errors
    /// If the value cannot be encoded, or is larger than 4 GiB.
    pub fn put(
        &mut self,
        group: u16,
        key: &impl Serialize,
        value: &impl Serialize,
    ) -> Result<usize> {
        let (buffer, index) = self.open();
        let start = buffer.len();
        append(buffer, key)?;
        let key_end = buffer.len();
        append(buffer, value)?;
        index.push(Position::new(group, false, start, key_end, buffer.len())?);
        Ok(buffer.len() - start)
    }

    /// Adds a removal.
    ///
    /// # Errors
    /// If the key cannot be encoded, or is larger than 4 GiB.
    pub fn remove(&mut self, group: u16, key: &impl Serialize) -> Result<()> {
        let (buffer, index) = self.open();
        let start = buffer.len();
        append(buffer, key)?;
        index.push(Position::new(group, true, start, buffer.len(), buffer.len())?);
        Ok(())
    }

    /// Adds an entry that is encoded already.
    ///
    /// # Errors
    /// If it is larger than 4 GiB.
    pub fn push(&mut self, entry: Entry<'_>) -> Result<()> {
        let (buffer, index) = self.open();
        let start = buffer.len();
        buffer.extend_from_slice(entry.key);
        let key_end = buffer.len();
        buffer.extend_from_slice(entry.value.unwrap_or_default());
        let removed = entry.value.is_none();
        index.push(Position::new(entry.group, removed, start, key_end, buffer.len())?);
        Ok(())
    }

    /// The changes in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        let runs = self.buffers.iter().zip(&self.index);
        runs.flat_map(|(buffer, index)| index.iter().map(|at| at.entry(buffer)))
    }

    /// The changes by key group; those of a group in the order they were made.
    #[must_use]
    pub fn by_group(&self) -> Vec<Entry<'_>> {
        let mut entries: Vec<_> = self.iter().collect();
        entries.sort_by_key(|entry| entry.group);
        entries
    }

    fn open(&mut self) -> (&mut Buffer, &mut Vec<Position>) {
        Buffer::open(&mut self.buffers);
        if self.index.len() < self.buffers.len() {
            self.index.push(Vec::with_capacity(self.index.last().map_or(0, Vec::len)));
        }
        let last = self.index.len() - 1;
        (&mut self.buffers[last], &mut self.index[last])
    }
}

impl Position {
    fn new(group: u16, removed: bool, start: usize, key_end: usize, end: usize) -> Result<Self> {
        let fit = |n: usize| {
            u32::try_from(n).map_err(|_| {
                JobError::failed("an entry of the state is larger than 4 GiB")
                    .hint("keep the state in smaller entries, under more keys")
            })
        };
        let (start, key_end, end) = (fit(start)?, fit(key_end)?, fit(end)?);
        Ok(Self { group, removed, start, key_end, end })
    }

    fn entry(self, buffer: &[u8]) -> Entry<'_> {
        let value = &buffer[self.key_end as usize..self.end as usize];
        let key = &buffer[self.start as usize..self.key_end as usize];
        Entry { group: self.group, key, value: (!self.removed).then_some(value) }
    }
}

fn append(buffer: &mut Buffer, part: &impl Serialize) -> Result<()> {
    let bytes = std::mem::take(&mut **buffer);
    **buffer = postcard::to_extend(part, bytes).map_err(|error| {
        JobError::failed("state cannot be encoded")
            .hint("its Serialize refused the value: it must take every value the job makes")
            .caused_by(error)
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a plain list, over the borders of runs.
        #[test]
        fn are_given_back_in_order_and_by_group(
            changes in proptest::collection::vec((0u16..8, 0usize..300_000, any::<bool>()), 0..40)
        ) {
            let mut entries = Entries::default();
            let mut naive = Vec::new();
            for (i, (group, length, removed)) in changes.iter().enumerate() {
                let (key, value) = (vec![i as u8; 3], vec![i as u8; *length]);
                let kept = (!removed).then_some(value.as_slice());
                entries.push(Entry { group: *group, key: &key, value: kept }).unwrap();
                naive.push((*group, key, (!removed).then_some(value)));
            }
            let owned = |e: Entry<'_>| (e.group, e.key.to_vec(), e.value.map(<[u8]>::to_vec));
            prop_assert_eq!(entries.len(), naive.len());
            prop_assert_eq!(&entries.iter().map(owned).collect::<Vec<_>>(), &naive);
            naive.sort_by_key(|(group, ..)| *group);
            prop_assert_eq!(entries.by_group().into_iter().map(owned).collect::<Vec<_>>(), naive);
        }
    }
}
