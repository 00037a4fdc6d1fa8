//! Writes the manifests: collects what workers made durable, makes an epoch count, tells the
//! sinks what they owe, and notes what they have paid.

use super::catalog::Catalog;
use super::chain::read_segment;
use super::manifest::{Confirmed, Manifest, SegmentRef, StagedRef};
use super::merge::merge;
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
    /// A sink has made its rows visible.
    Paid(String, Confirmed),
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
    payers: BTreeMap<String, Outbox<PayMessage>>,
    reply: Reply<LedgerReply>,
    counters: Arc<CheckpointCounters>,
    finish: Option<bool>,
    owing: Vec<(String, PayMessage)>,
    dirty: bool,
}

impl Ledger {
    pub(crate) fn new(
        catalog: Catalog,
        claimed: Manifest,
        payers: BTreeMap<String, Outbox<PayMessage>>,
        reply: Reply<LedgerReply>,
        counters: Arc<CheckpointCounters>,
    ) -> Self {
        Self {
            catalog,
            manifest: claimed,
            payers,
            reply,
            counters,
            finish: None,
            owing: Vec::new(),
            dirty: false,
        }
    }

    pub(crate) fn handle(&mut self, message: LedgerMessage) -> Result<()> {
        match message {
            LedgerMessage::Close(epoch, written) => self.close(epoch, written)?,
            LedgerMessage::Paid(sink, confirmed) => self.paid(sink, confirmed),
            LedgerMessage::Finish(all_read) => {
                self.finish = Some(all_read);
                for sink in self.payers.keys().cloned().collect::<Vec<_>>() {
                    self.owing.push((sink, PayMessage::Finish));
                }
            }
        }
        self.hand_out();
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
            self.owe(epoch, std::mem::take(&mut pay));
            self.hand_out();
        }
        self.manifest.epoch = epoch;
        self.write()?;
        self.reply.send(LedgerReply::Durable(epoch));
        self.owe(epoch, pay);
        self.merge_one()
    }

    fn owe(&mut self, epoch: Epoch, pay: BTreeMap<String, Vec<StagedRef>>) {
        for (sink, staged) in pay {
            self.owing.push((sink, PayMessage::Pay(epoch, staged)));
        }
    }

    /// Hands over what is owed; a sink that cannot take more now is served at the next message.
    fn hand_out(&mut self) {
        let mut blocked: Vec<String> = Vec::new();
        for (sink, message) in std::mem::take(&mut self.owing) {
            let payer = self.payers.get(&sink).filter(|_| !blocked.contains(&sink));
            let back = match payer {
                Some(payer) => payer.offer(message),
                None => Some(message),
            };
            if let Some(message) = back {
                blocked.push(sink.clone());
                self.owing.push((sink, message));
            }
        }
    }

    fn paid(&mut self, sink: String, confirmed: Confirmed) {
        self.manifest.staged.retain(|staged| staged.sink != sink || staged.epoch > confirmed.epoch);
        self.manifest.confirmed.insert(sink, confirmed);
        self.dirty = true;
    }

    fn settle_if_finished(&mut self) -> Result<()> {
        let Some(all_read) = self.finish else { return Ok(()) };
        if !self.manifest.staged.is_empty() || !self.owing.is_empty() {
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
