//! Flow control of one worker: how many bytes and how many epochs may be in flight. While the
//! gate is shut, sources are not read, and what reads them waits.

use std::collections::{BTreeMap, BTreeSet};

/// Bytes read but not yet processed, and epochs closed but not yet committed.
#[derive(Debug)]
pub(crate) struct Gate {
    max_bytes: usize,
    max_epochs: usize,
    bytes: BTreeMap<u64, usize>,
    total: usize,
    uncommitted: BTreeSet<u64>,
    committed_frontier: u64,
    open_ms: i64,
    /// When it was looked at, and whether it was open then.
    looked: Option<(i64, bool)>,
}

impl Gate {
    pub(crate) fn new(max_bytes: usize, max_epochs: usize) -> Self {
        Self {
            max_bytes,
            max_epochs,
            bytes: BTreeMap::new(),
            total: 0,
            uncommitted: BTreeSet::new(),
            committed_frontier: 0,
            open_ms: 0,
            looked: None,
        }
    }

    /// Whether sources may be read.
    pub(crate) fn is_open(&self) -> bool {
        self.total < self.max_bytes && self.may_close()
    }

    /// Called at every turn of the worker: counts the time in which sources may be read.
    pub(crate) fn look(&mut self, now_ms: i64) {
        let is_open = self.is_open();
        if let Some((before_ms, true)) = self.looked
            && is_open
        {
            self.open_ms += (now_ms - before_ms).max(0);
        }
        self.looked = Some((now_ms, is_open));
    }

    /// For how long sources could be read so far: who is silent meanwhile has nothing to say.
    pub(crate) fn open_ms(&self) -> i64 {
        self.open_ms
    }

    /// Whether another epoch may be closed.
    pub(crate) fn may_close(&self) -> bool {
        self.uncommitted.len() < self.max_epochs
    }

    /// Bytes of one epoch at which it is closed early: the next one can be read while its last
    /// records are processed.
    pub(crate) fn close_bytes(&self) -> usize {
        self.max_bytes / 2
    }

    pub(crate) fn add(&mut self, epoch: u64, bytes: usize) {
        if bytes > 0 {
            *self.bytes.entry(epoch).or_default() += bytes;
            self.total += bytes;
        }
    }

    pub(crate) fn closed(&mut self, epoch: u64) {
        self.uncommitted.insert(epoch);
    }

    /// Every stage has closed the epochs before `frontier`; `None` if all of them.
    pub(crate) fn processed(&mut self, frontier: Option<u64>) {
        while let Some(entry) = self.bytes.first_entry() {
            if frontier.is_some_and(|frontier| *entry.key() >= frontier) {
                break;
            }
            self.total -= entry.remove();
        }
    }

    /// The epochs before this one are committed.
    pub(crate) fn committed_frontier(&self) -> u64 {
        self.committed_frontier
    }

    /// The epochs before `frontier` are committed; `None` if all of them.
    pub(crate) fn committed(&mut self, frontier: Option<u64>) {
        self.committed_frontier = frontier.unwrap_or(u64::MAX);
        match frontier {
            Some(frontier) => self.uncommitted = self.uncommitted.split_off(&frontier),
            None => self.uncommitted.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_time_in_which_it_is_open() {
        let mut gate = Gate::new(100, 2);
        gate.look(10);
        gate.look(15);
        gate.add(1, 100);
        gate.look(17);
        gate.look(600_017);
        gate.processed(None);
        gate.look(600_018);
        gate.look(600_025);
        assert_eq!(gate.open_ms(), 5 + 7);
    }

    #[test]
    fn shuts_by_bytes_until_they_are_processed_and_by_epochs_until_committed() {
        let mut gate = Gate::new(100, 2);
        gate.add(1, 60);
        gate.add(2, 40);
        assert!(!gate.is_open());
        gate.processed(Some(2));
        assert!(gate.is_open());
        gate.closed(1);
        gate.closed(2);
        assert!(!gate.is_open() && !gate.may_close());
        gate.committed(Some(2));
        assert!(gate.is_open());
        gate.committed(None);
        assert!(gate.may_close());
    }
}
