//! Writes the manifests: collects what workers made durable, makes an epoch count, tells the
//! sinks what they owe, and notes what they have paid.

use super::catalog::Catalog;
use super::chain::read_segment;
use super::manifest::{Manifest, SegmentRef, StagedRef};
use super::merge::merge;
use super::owing::{Answers, Owing};
use super::pay::PayMessage;
use crate::background::{Outbox, Reply};
use crate::error::Result;
use crate::metrics::CheckpointCounters;
use crate::sabotage::{Sabotage, planted};
use crate::time::Epoch;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Neighbouring segments of one tier that are merged into one of the next.
const MERGE_WIDTH: usize = 8;
/// The largest tier; wider chains than its width do not occur.
const MAX_TIER: u8 = 12;

/// What one worker made durable in one epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Written {
    pub(crate) epoch: Epoch,
    pub(crate) worker: u32,
    pub(crate) segment: Option<SegmentRef>,
    pub(crate) staged: Vec<StagedRef>,
}

/// What the ledger is told.
#[derive(Debug)]
pub(crate) enum LedgerMessage {
    /// All workers are durable up to this epoch.
    Close(Epoch, Vec<Written>),
    /// A sink has answered.
    Paid,
    /// No more epochs come; `true` if all input was read.
    Finish(bool),
}

/// What the ledger answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LedgerReply {
    /// This epoch counts.
    Durable(Epoch),
    /// All is written and paid.
    Settled,
}

/// The state of a job's checkpoints while it runs.
#[derive(Debug)]
pub(crate) struct Ledger {
    catalog: Catalog,
    manifest: Manifest,
    owing: BTreeMap<String, Owing>,
    reply: Reply<LedgerReply>,
    counters: Arc<CheckpointCounters>,
    /// An epoch that waits until sinks have taken what they are owed: the coordinator closes none
    /// before it is answered.
    held_back: Option<(Epoch, Vec<Written>)>,
    finish: Option<bool>,
    dirty: bool,
}

impl Ledger {
    pub(crate) fn new(
        catalog: Catalog,
        claimed: Manifest,
        payers: BTreeMap<String, (Outbox<PayMessage>, Answers)>,
        reply: Reply<LedgerReply>,
        counters: Arc<CheckpointCounters>,
    ) -> Self {
        let owing = payers
            .into_iter()
            .map(|(sink, (payer, answers))| (sink, Owing::new(payer, answers)))
            .collect();
        Self {
            catalog,
            manifest: claimed,
            owing,
            reply,
            counters,
            held_back: None,
            finish: None,
            dirty: false,
        }
    }

    pub(crate) fn handle(&mut self, message: LedgerMessage) -> Result<()> {
        match message {
            LedgerMessage::Close(epoch, written) => self.held_back = Some((epoch, written)),
            LedgerMessage::Paid => {}
            LedgerMessage::Finish(all_read) => {
                self.finish = Some(all_read);
                self.owing.values_mut().for_each(Owing::finish);
            }
        }
        self.take_answers();
        if !self.owing.values().any(Owing::is_behind)
            && let Some((epoch, written)) = self.held_back.take()
        {
            self.close(epoch, written)?;
        }
        self.owing.values_mut().for_each(Owing::hand_out);
        self.settle_if_finished()
    }

    fn close(&mut self, epoch: Epoch, mut written: Vec<Written>) -> Result<()> {
        // Rows are paid in this order, and again in this order after a crash in the middle of it.
        written.sort_by_key(|written| (written.epoch, written.worker));
        let mut pay: BTreeMap<String, Vec<StagedRef>> = BTreeMap::new();
        for written in written {
            self.manifest.segments.extend(written.segment);
            for staged in written.staged {
                pay.entry(staged.sink.clone()).or_default().push(staged.clone());
                self.manifest.staged.push(staged);
            }
        }
        if planted(Sabotage::SinkBeforeManifest) {
            self.owe(std::mem::take(&mut pay));
            self.owing.values_mut().for_each(Owing::hand_out);
        }
        self.manifest.epoch = epoch;
        self.write()?;
        self.reply.send(LedgerReply::Durable(epoch));
        self.owe(pay);
        self.merge_one()
    }

    fn owe(&mut self, pay: BTreeMap<String, Vec<StagedRef>>) {
        for (sink, staged) in pay {
            if let Some(owing) = self.owing.get_mut(&sink) {
                owing.owe(staged);
            }
        }
    }

    fn take_answers(&mut self) {
        for (sink, owing) in &self.owing {
            if let Some(confirmed) = owing.take_confirmed() {
                self.manifest.paid(sink, confirmed);
                self.dirty = true;
            }
        }
    }

    fn settle_if_finished(&mut self) -> Result<()> {
        let Some(all_read) = self.finish else { return Ok(()) };
        let is_paid = self.owing.values().all(Owing::is_empty);
        if !self.manifest.staged.is_empty() || !is_paid {
            return Ok(());
        }
        if self.dirty || all_read != self.manifest.finished {
            self.manifest.finished = all_read;
            self.write()?;
        }
        self.finish = None;
        self.reply.send(LedgerReply::Settled);
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        self.manifest.sequence += 1;
        let in_epoch = crate::error::in_epoch(self.manifest.epoch);
        self.catalog.add(&mut self.manifest).map_err(in_epoch)?;
        self.dirty = false;
        self.counters.epoch.store(self.manifest.epoch.0, Relaxed);
        self.counters.manifests.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Merges the newest run of a tier that has become wide enough. The result is used from the
    /// next manifest on.
    fn merge_one(&mut self) -> Result<()> {
        let segments = &self.manifest.segments;
        let run = (0..MAX_TIER).find_map(|tier| {
            let start = segments.iter().position(|segment| segment.tier <= tier)?;
            (segments.len() - start >= MERGE_WIDTH).then_some((tier, start))
        });
        let Some((tier, start)) = run else { return Ok(()) };
        let folder = self.catalog.folder().clone();
        let read: Result<Vec<_>> =
            segments[start..].iter().map(|segment| read_segment(&folder, segment)).collect();
        let file = merge(&read?, start == 0)?;
        let epoch = self.manifest.epoch;
        let name = format!("g{}-e{epoch}-t{}.segment", self.manifest.generation, tier + 1);
        folder.put(&name, file.slices())?;
        self.manifest.segments.truncate(start);
        self.manifest.segments.push(file.named(name, epoch, tier + 1));
        Ok(())
    }
}
