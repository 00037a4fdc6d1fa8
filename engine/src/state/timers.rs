//! Deadlines of state entries: at most one per entry and clock, found in order of time.

use crate::time::Timestamp;
use std::collections::BTreeMap;

/// When an entry wants to be woken, if at all.
pub type Deadline = Option<Timestamp>;

const NONE: i64 = i64::MIN;

/// The deadlines of one clock. Entries are named by their slot in the table.
///
/// Moving a deadline later is free: the queue keeps the earlier time and looks again when it comes.
#[derive(Debug, Default)]
pub struct Timers {
    wanted: Vec<Wanted>,
    queue: BTreeMap<i64, Vec<u32>>,
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    deadline_ms: i64,
    queued_ms: i64,
}

impl Timers {
    /// The deadline of a slot.
    #[must_use]
    pub fn deadline(&self, slot: u32) -> Deadline {
        let wanted = self.wanted.get(slot as usize)?;
        (wanted.deadline_ms != NONE).then_some(Timestamp(wanted.deadline_ms))
    }

    /// Sets or clears the deadline of a slot.
    pub fn set(&mut self, slot: u32, deadline: Deadline) {
        let Some(Timestamp(at)) = deadline else {
            if let Some(wanted) = self.wanted.get_mut(slot as usize) {
                wanted.deadline_ms = NONE;
            }
            return;
        };
        let at = at.max(NONE + 1);
        if self.wanted.len() <= slot as usize {
            self.wanted.resize(slot as usize + 1, Wanted { deadline_ms: NONE, queued_ms: NONE });
        }
        let wanted = &mut self.wanted[slot as usize];
        wanted.deadline_ms = at;
        if wanted.queued_ms == NONE || wanted.queued_ms > at {
            wanted.queued_ms = at;
            self.queue.entry(at).or_default().push(slot);
        }
    }

    /// Takes one slot whose deadline is at or before `now`. The deadline itself stays for the
    /// caller to clear, so that what is written down before that still has it.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<(u32, Timestamp)> {
        loop {
            let mut first = self.queue.first_entry()?;
            let at = *first.key();
            if at > now.0 {
                return None;
            }
            let slot = first.get_mut().pop();
            if first.get().is_empty() {
                first.remove();
            }
            let Some(slot) = slot else { continue };
            let wanted = &mut self.wanted[slot as usize];
            if wanted.queued_ms != at {
                continue; // an older time of a slot that was queued again for an earlier one
            }
            wanted.queued_ms = NONE;
            match wanted.deadline_ms {
                NONE => {}
                deadline if deadline <= at => return Some((slot, Timestamp(deadline))),
                // Due perhaps, but after all that is due before it.
                later => self.set(slot, Some(Timestamp(later))),
            }
        }
    }

    /// The earliest time at which something may be due.
    #[must_use]
    pub fn next_due(&self) -> Deadline {
        self.queue.first_key_value().map(|(at, _)| Timestamp(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_was_moved_comes_in_order_of_its_new_time() {
        let mut timers = Timers::default();
        for (slot, at) in [(0, 1), (1, 3), (2, 5)] {
            timers.set(slot, Some(Timestamp(at)));
        }
        timers.set(0, Some(Timestamp(4)));
        timers.set(1, None);
        timers.set(1, Some(Timestamp(9)));
        let mut due = Vec::new();
        while let Some((slot, at)) = timers.pop_due(Timestamp(10)) {
            due.push((slot, at.0));
        }
        assert_eq!(due, [(0, 4), (2, 5), (1, 9)]);
    }
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        /// Against a map that is searched whole every time.
        #[test]
        fn fires_what_a_naive_list_fires(steps in proptest::collection::vec((0u32..6, -1i64..40, 0i64..40), 1..200)) {
            let (mut timers, mut naive) = (Timers::default(), HashMap::new());
            let mut now = 0;
            for (slot, at, forward) in steps {
                if at < 0 {
                    timers.set(slot, None);
                    naive.remove(&slot);
                } else {
                    timers.set(slot, Some(Timestamp(at)));
                    naive.insert(slot, at);
                }
                now += forward / 10;
                let mut fired = vec![];
                while let Some((slot, at)) = timers.pop_due(Timestamp(now)) {
                    timers.set(slot, None);
                    fired.push((slot, at.0));
                }
                let mut due: Vec<_> = naive.iter().filter(|(_, at)| **at <= now).map(|(s, at)| (*s, *at)).collect();
                naive.retain(|_, at| *at > now);
                fired.sort_unstable();
                due.sort_unstable();
                prop_assert_eq!(fired, due);
            }
        }
    }
}
