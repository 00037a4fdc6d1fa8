//! Pays what a sink owes: reads staged rows of committed epochs and hands them to its committer.

use super::folder::Folder;
use super::ledger::LedgerMessage;
use super::manifest::{Confirmed, Manifest, StagedRef};
use crate::background::Outbox;
use crate::error::Result;
use crate::metrics::SinkCounters;
use crate::sink::{Committer, StagedBatch};
use crate::time::Epoch;
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

/// What a payer is told.
#[derive(Debug)]
pub(crate) enum PayMessage {
    /// These rows belong to an epoch that counts.
    Pay(Epoch, Vec<StagedRef>),
    /// No more rows come; make all visible.
    Finish,
}

/// The paying side of one sink.
pub(crate) struct Payer {
    sink: String,
    folder: Folder,
    committer: Box<dyn Committer>,
    counters: Arc<SinkCounters>,
    paid_epoch: Epoch,
    ledger: Arc<OnceLock<Outbox<LedgerMessage>>>,
}

impl fmt::Debug for Payer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payer").field("sink", &self.sink).finish_non_exhaustive()
    }
}

impl Payer {
    pub(crate) fn new(
        sink: String,
        folder: Folder,
        committer: Box<dyn Committer>,
        counters: Arc<SinkCounters>,
        ledger: Arc<OnceLock<Outbox<LedgerMessage>>>,
    ) -> Self {
        Self { sink, folder, committer, counters, paid_epoch: Epoch(0), ledger }
    }

    /// Brings the sink to where the manifest says it is and pays what is owed up to there.
    pub(crate) fn settle(&mut self, manifest: &mut Manifest) -> Result<()> {
        let confirmed = manifest.confirmed.get(&self.sink);
        self.committer.recover(confirmed).map_err(|error| error.at(self.place()))?;
        self.paid_epoch = confirmed.map_or(Epoch(0), |confirmed| confirmed.epoch);
        let staged: Vec<_> =
            manifest.staged.iter().filter(|staged| staged.sink == self.sink).cloned().collect();
        let last = self.pay(manifest.epoch, &staged)?;
        if let Some(confirmed) = last {
            manifest.staged.retain(|s| s.sink != self.sink || s.epoch > confirmed.epoch);
            manifest.confirmed.insert(self.sink.clone(), confirmed);
        }
        Ok(())
    }

    pub(crate) fn handle(&mut self, message: PayMessage) -> Result<()> {
        let confirmed = match message {
            PayMessage::Pay(epoch, staged) => self.pay(epoch, &staged)?,
            PayMessage::Finish => {
                self.committer.finish(self.paid_epoch).map_err(|error| error.at(self.place()))?
            }
        };
        if let (Some(confirmed), Some(ledger)) = (confirmed, self.ledger.get()) {
            // The ledger's inbox has room for every sink's answer to every epoch in flight.
            ledger.offer(LedgerMessage::Paid(self.sink.clone(), confirmed));
        }
        Ok(())
    }

    fn pay(&mut self, epoch: Epoch, staged: &[StagedRef]) -> Result<Option<Confirmed>> {
        if staged.is_empty() {
            return Ok(None);
        }
        let mut rows = 0;
        let mut batches = Vec::with_capacity(staged.len());
        for staged in staged {
            let bytes = self.folder.get_staged(staged)?;
            rows += staged.rows;
            batches.push(StagedBatch { epoch: staged.epoch, rows: staged.rows, bytes });
        }
        let confirmed =
            self.committer.commit(epoch, batches).map_err(|error| error.at(self.place()))?;
        self.paid_epoch = epoch;
        self.counters.committed.fetch_add(rows, Relaxed);
        Ok(confirmed)
    }

    fn place(&self) -> String {
        format!("sink {}", self.sink)
    }
}
