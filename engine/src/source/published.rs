//! Tells those who read a source which positions count: collected as epochs close, handed over when
//! they are committed, newest last.

use super::{Partition, Position};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Positions = BTreeMap<u16, (Partition, Position)>;

/// Committed positions on their way to the reading side; who has not looked in time sees the newest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Published(Arc<Mutex<Positions>>);

impl Published {
    /// What is new since the last call.
    pub(crate) fn take(&self) -> Option<Vec<(Partition, Position)>> {
        let mut positions = self.lock();
        (!positions.is_empty()).then(|| std::mem::take(&mut *positions).into_values().collect())
    }

    fn lock(&self) -> MutexGuard<'_, Positions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Positions of epochs that are closed and not committed yet; as many as epochs in flight.
#[derive(Debug, Default)]
pub(crate) struct Unpublished {
    epochs: VecDeque<(u64, Positions)>,
    published: Published,
}

impl Unpublished {
    pub(crate) fn published(&self) -> Published {
        self.published.clone()
    }

    pub(crate) fn close(&mut self, epoch: u64, positions: Positions) {
        if !positions.is_empty() {
            self.epochs.push_back((epoch, positions));
        }
    }

    /// All epochs before this one are committed.
    pub(crate) fn committed_before(&mut self, frontier: u64) {
        while self.epochs.front().is_some_and(|(epoch, _)| *epoch < frontier) {
            if let Some((_, positions)) = self.epochs.pop_front() {
                self.published.lock().extend(positions);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(of: &[(u16, u8)]) -> Positions {
        let entry = |(index, at): &(u16, u8)| {
            let partition = Partition { index: *index, name: format!("t/{index}") };
            (*index, (partition, Position(vec![*at])))
        };
        of.iter().map(entry).collect()
    }

    #[test]
    fn positions_are_told_once_their_epoch_is_committed() {
        let mut unpublished = Unpublished::default();
        let published = unpublished.published();
        unpublished.close(1, positions(&[(0, 1), (1, 1)]));
        unpublished.close(3, positions(&[(0, 3)]));
        unpublished.close(4, positions(&[(0, 4)]));
        unpublished.committed_before(1);
        assert_eq!(published.take(), None);
        unpublished.committed_before(4);
        let told = published.take().unwrap().into_iter().map(|(of, at)| (of.index, at.0[0]));
        assert_eq!(told.collect::<Vec<_>>(), [(0, 3), (1, 1)]);
        assert_eq!(published.take(), None);
    }
}
