//! A buffer of encoded state changes: what an increment of a checkpoint is made of.

use crate::error::{JobError, Result};
use serde::Serialize;

/// Bytes at which a run is full. A buffer that grew for a whole increment would be copied each time
/// it doubles, which stops the worker for longer than all else.
const RUN_BYTES: usize = 1 << 20;

/// Encoded changes in the order they were made, with the key group of each.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    runs: Vec<Run>,
}

#[derive(Clone, Debug, Default)]
struct Run {
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
        self.runs.iter().map(|run| run.index.len()).sum()
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Adds a value.
    ///
    /// # Errors
    /// If the value cannot be encoded, or is larger than 4 GiB.
    pub fn put(&mut self, group: u16, key: &impl Serialize, value: &impl Serialize) -> Result<()> {
        let run = self.open_run();
        let start = run.bytes.len();
        run.append(key)?;
        let key_end = run.bytes.len();
        run.append(value)?;
        run.close(group, false, start, key_end)
    }

    /// Adds a removal.
    ///
    /// # Errors
    /// If the key cannot be encoded, or is larger than 4 GiB.
    pub fn remove(&mut self, group: u16, key: &impl Serialize) -> Result<()> {
        let run = self.open_run();
        let start = run.bytes.len();
        run.append(key)?;
        let end = run.bytes.len();
        run.close(group, true, start, end)
    }

    /// Adds an entry that is encoded already.
    ///
    /// # Errors
    /// If it is larger than 4 GiB.
    pub fn push(&mut self, entry: Entry<'_>) -> Result<()> {
        let run = self.open_run();
        let start = run.bytes.len();
        run.bytes.extend_from_slice(entry.key);
        let key_end = run.bytes.len();
        run.bytes.extend_from_slice(entry.value.unwrap_or_default());
        run.close(entry.group, entry.value.is_none(), start, key_end)
    }

    /// The changes in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.runs.iter().flat_map(|run| run.index.iter().map(|at| run.entry(*at)))
    }

    /// The changes by key group; those of a group in the order they were made.
    #[must_use]
    pub fn by_group(&self) -> Vec<Entry<'_>> {
        let mut entries: Vec<_> = self.iter().collect();
        entries.sort_by_key(|entry| entry.group);
        entries
    }

    fn open_run(&mut self) -> &mut Run {
        if self.runs.last().is_none_or(|run| run.bytes.len() >= RUN_BYTES) {
            // The first run grows with what there is; a second one shows that there is much.
            let reserved = if self.runs.is_empty() { 0 } else { RUN_BYTES + RUN_BYTES / 8 };
            let index = Vec::with_capacity(self.runs.last().map_or(0, |run| run.index.len()));
            self.runs.push(Run { bytes: Vec::with_capacity(reserved), index });
        }
        let last = self.runs.len() - 1;
        &mut self.runs[last]
    }
}

impl Run {
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
                JobError::failed("an entry of the state is larger than 4 GiB")
                    .hint("keep the state in smaller entries, under more keys")
            })
        };
        let (start, key_end, end) = (fit(start)?, fit(key_end)?, fit(self.bytes.len())?);
        self.index.push(Position { group, removed, start, key_end, end });
        Ok(())
    }
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
