//! What a sink is owed and has not been handed yet. Waiting epochs are handed over together, so that
//! a sink that was slow for a while catches up in few steps.

use super::manifest::{Confirmed, StagedRef};
use super::pay::PayMessage;
use crate::background::Outbox;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of rows handed over at once, whole epochs at least.
pub(super) const BYTES_PER_PAYMENT: u64 = 32 << 20;
/// Payments that a sink has been handed and has not answered.
const PAYMENTS_AHEAD: u64 = 2;
/// Epochs that may wait for a sink that takes none. Then the job waits.
const MAX_EPOCHS_WAITING: usize = 1_000;
/// Bytes that may wait for a sink that takes none.
const MAX_BYTES_WAITING: u64 = 1 << 30;

/// What a sink has answered so far; the newest answer replaces those before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers(Arc<Mutex<Answered>>);

#[derive(Debug, Default)]
struct Answered {
    payments: u64,
    confirmed: Option<Confirmed>,
}

impl Answers {
    /// One payment is handled; the sink may have confirmed something with it.
    pub(super) fn add(&self, confirmed: Option<Confirmed>) {
        let mut answered = self.lock();
        answered.payments += 1;
        answered.confirmed = confirmed.or(answered.confirmed.take());
    }

    fn lock(&self) -> MutexGuard<'_, Answered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One sink's account.
#[derive(Debug)]
pub(super) struct Owing {
    payer: Outbox<PayMessage>,
    answers: Answers,
    waiting: VecDeque<StagedRef>,
    payments: u64,
    finish: bool,
}

impl Owing {
    pub(super) fn new(payer: Outbox<PayMessage>, answers: Answers) -> Self {
        Self { payer, answers, waiting: VecDeque::new(), payments: 0, finish: false }
    }

    pub(super) fn owe(&mut self, staged: Vec<StagedRef>) {
        self.waiting.extend(staged);
    }

    /// No more rows come: the last message makes all visible.
    pub(super) fn finish(&mut self) {
        self.finish = true;
    }

    /// Whether so much waits that the job must not go on.
    pub(super) fn is_behind(&self) -> bool {
        let oldest = self.waiting.front().map_or(0, |staged| staged.epoch.0);
        let newest = self.waiting.back().map_or(0, |staged| staged.epoch.0);
        // Epochs are skipped, so their numbers say little; refs of one epoch stand together.
        newest - oldest >= MAX_EPOCHS_WAITING as u64 && self.waiting.len() >= MAX_EPOCHS_WAITING
            || self.waiting.iter().map(|staged| staged.length).sum::<u64>() >= MAX_BYTES_WAITING
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && !self.finish
    }

    /// Takes what the sink has confirmed since the last call.
    pub(super) fn take_confirmed(&self) -> Option<Confirmed> {
        self.answers.lock().confirmed.take()
    }

    /// Hands over what waits, if the sink has answered enough of what it had before.
    pub(super) fn hand_out(&mut self) {
        while !self.is_empty() && self.payments - self.answers.lock().payments < PAYMENTS_AHEAD {
            let next = payments(self.waiting.make_contiguous()).next().map(<[_]>::len);
            let message = match next {
                Some(count) => PayMessage::Pay(self.waiting.drain(..count).collect()),
                None => {
                    self.finish = false;
                    PayMessage::Finish
                }
            };
            // It takes more messages than are ever ahead of its answers.
            self.payer.offer(message);
            self.payments += 1;
        }
    }
}

/// Cuts what is owed into payments of whole epochs.
pub(super) fn payments(staged: &[StagedRef]) -> impl Iterator<Item = &[StagedRef]> {
    let mut rest = staged;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let end = rest.iter().enumerate().position(|(at, staged)| {
            let begins_epoch = at > 0 && rest[at - 1].epoch != staged.epoch;
            let is_full = begins_epoch && bytes >= BYTES_PER_PAYMENT;
            bytes += staged.length;
            is_full
        });
        let (payment, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        (!payment.is_empty()).then_some(payment)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Epoch;

    fn staged(epoch: u64, length: u64) -> StagedRef {
        let (sink, segment) = Default::default();
        StagedRef { sink, epoch: Epoch(epoch), rows: 1, segment, start: 0, length, crc: 0 }
    }

    #[test]
    fn payments_are_of_whole_epochs() {
        let half = BYTES_PER_PAYMENT / 2;
        let lengths = [(1, half), (2, half), (2, half), (3, 1), (4, BYTES_PER_PAYMENT), (5, 1)];
        let all: Vec<StagedRef> = lengths.iter().map(|(e, length)| staged(*e, *length)).collect();
        let cut: Vec<Vec<u64>> =
            payments(&all).map(|payment| payment.iter().map(|s| s.epoch.0).collect()).collect();
        assert_eq!(cut, [vec![1, 2, 2], vec![3, 4], vec![5]]);
        assert_eq!(payments(&[]).count(), 0);
    }
}
