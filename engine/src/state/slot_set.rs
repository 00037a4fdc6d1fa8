//! A set of table slots, emptied in the order of the slots: entries that lie side by side in memory
//! are then visited side by side.

/// One bit per slot.
#[derive(Debug, Default)]
pub(super) struct SlotSet {
    words: Vec<u64>,
    /// No slot is in the set before this word.
    first_word: usize,
}

impl SlotSet {
    /// Adds a slot; whether it was not there.
    pub(super) fn insert(&mut self, slot: u32) -> bool {
        let (word, bit) = place(slot);
        if word >= self.words.len() {
            self.words.resize((word + 1).next_power_of_two(), 0);
        }
        let was = self.words[word];
        self.words[word] = was | bit;
        self.first_word = self.first_word.min(word);
        was & bit == 0
    }

    /// Takes a slot out; whether it was there.
    pub(super) fn remove(&mut self, slot: u32) -> bool {
        let (word, bit) = place(slot);
        let Some(word) = self.words.get_mut(word) else { return false };
        let was = *word;
        *word &= !bit;
        was & bit != 0
    }

    /// The lowest slot in the set.
    pub(super) fn first(&mut self) -> Option<u32> {
        let rest = self.words.get(self.first_word..)?;
        let Some(skip) = rest.iter().position(|word| *word != 0) else {
            self.first_word = self.words.len();
            return None;
        };
        self.first_word += skip;
        let bit = self.words[self.first_word].trailing_zeros();
        Some(self.first_word as u32 * u64::BITS + bit)
    }
}

fn place(slot: u32) -> (usize, u64) {
    ((slot / u64::BITS) as usize, 1 << (slot % u64::BITS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Against an ordered set.
        #[test]
        fn holds_what_an_ordered_set_holds(
            steps in proptest::collection::vec((0u8..3, 0u32..500), 1..300)
        ) {
            let (mut set, mut naive) = (SlotSet::default(), BTreeSet::new());
            for (step, slot) in steps {
                match step {
                    0 => prop_assert_eq!(set.insert(slot), naive.insert(slot)),
                    1 => prop_assert_eq!(set.remove(slot), naive.remove(&slot)),
                    _ => prop_assert_eq!(set.first(), naive.first().copied()),
                }
            }
        }
    }
}
