//! Finds slots by hash: linear probing over packed words, kept at most three quarters full and free
//! of tombstones.

use super::prefetch::prefetch;

const FEWEST_WORDS: usize = 16;

/// Slots by the upper halves of their hashes.
#[derive(Debug)]
pub(super) struct SlotIndex {
    /// High half: upper hash bits. Low half: slot + 1, or 0 if free.
    words: Vec<u64>,
    len: usize,
}

impl Default for SlotIndex {
    fn default() -> Self {
        Self { words: vec![0; FEWEST_WORDS], len: 0 }
    }
}

fn tag(hash: u64) -> u64 {
    hash & 0xFFFF_FFFF_0000_0000
}

impl SlotIndex {
    /// How many slots it knows.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Starts fetching what [`Self::candidates`] will look at first.
    pub(super) fn prefetch(&self, hash: u64) {
        prefetch(&self.words[self.home(hash)]);
    }

    /// The slots that may have this hash; those of other hashes are rare among them.
    pub(super) fn candidates(&self, hash: u64) -> impl Iterator<Item = u32> {
        let mut at = self.home(hash);
        std::iter::from_fn(move || {
            loop {
                let word = self.words[at];
                if word == 0 {
                    return None;
                }
                at = (at + 1) & (self.words.len() - 1);
                if tag(word) == tag(hash) {
                    return Some(word as u32 - 1);
                }
            }
        })
    }

    /// Makes room for so many more.
    pub(super) fn reserve(&mut self, more: usize) {
        while (self.len + more) * 4 > self.words.len() * 3 {
            self.grow();
        }
    }

    /// Adds a slot.
    pub(super) fn insert(&mut self, hash: u64, slot: u32) {
        self.reserve(1);
        self.len += 1;
        self.put(tag(hash) | u64::from(slot + 1));
    }

    /// Takes a slot out and moves the words behind it back.
    pub(super) fn remove(&mut self, hash: u64, slot: u32) {
        let mask = self.words.len() - 1;
        let mut hole = self.home(hash);
        while self.words[hole] as u32 != slot + 1 {
            hole = (hole + 1) & mask;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let word = self.words[at];
            if word == 0 {
                break;
            }
            let from_home = at.wrapping_sub(self.home(word)) & mask;
            if from_home >= (at.wrapping_sub(hole) & mask) {
                self.words[hole] = word;
                hole = at;
            }
        }
        self.words[hole] = 0;
        self.len -= 1;
    }

    fn put(&mut self, word: u64) {
        let mut at = self.home(word);
        while self.words[at] != 0 {
            at = (at + 1) & (self.words.len() - 1);
        }
        self.words[at] = word;
    }

    fn grow(&mut self) {
        let twice = vec![0; self.words.len() * 2];
        for word in std::mem::replace(&mut self.words, twice) {
            if word != 0 {
                self.put(word);
            }
        }
    }

    fn home(&self, hash: u64) -> usize {
        (hash >> 32) as usize & (self.words.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a list of pairs, with hashes that collide often.
        #[test]
        fn finds_what_a_list_finds(steps in proptest::collection::vec((any::<bool>(), 0u64..40), 1..200)) {
            let (mut index, mut naive) = (SlotIndex::default(), Vec::new());
            for (slot, (add, hash)) in steps.into_iter().enumerate() {
                let hash = hash << 32;
                if add {
                    index.insert(hash, slot as u32);
                    naive.push((hash, slot as u32));
                } else if let Some(at) = naive.iter().position(|(known, _)| *known == hash) {
                    let (hash, slot) = naive.remove(at);
                    index.remove(hash, slot);
                }
                prop_assert_eq!(index.len(), naive.len());
                for wanted in (0u64..40).map(|hash| hash << 32) {
                    let mut found: Vec<_> = index.candidates(wanted).collect();
                    found.sort_unstable();
                    let of_it = naive.iter().filter(|(hash, _)| *hash == wanted);
                    prop_assert_eq!(found, of_it.map(|(_, slot)| *slot).collect::<Vec<_>>());
                }
            }
        }
    }
}
