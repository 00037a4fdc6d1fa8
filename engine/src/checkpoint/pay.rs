//! Pays what a sink owes: reads staged rows of committed epochs and hands them to its committer.

use super::catalog::Catalog;
use super::folder::Folder;
use super::ledger::LedgerMessage;
use super::manifest::{Confirmed, Manifest, StagedRef};
use super::owing::{Answers, payments};
use crate::background::Outbox;
use crate::error::Result;
use crate::job::StopSignal;
use crate::metrics::SinkCounters;
use crate::sink::{Committer, Run, StagedBatch};
use crate::time::Epoch;
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

/// What a payer is told.
#[derive(Debug)]
pub(crate) enum PayMessage {
    /// These rows belong to epochs that count.
    Pay(Vec<StagedRef>),
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
    answers: Answers,
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
        let (paid_epoch, answers) = (Epoch(0), Answers::default());
        Self { sink, folder, committer, counters, paid_epoch, answers, ledger }
    }

    /// Where its answers to payments stand.
    pub(crate) fn answers(&self) -> Answers {
        self.answers.clone()
    }

    /// Brings the sink to where the manifest says it is and pays what is owed up to there.
    pub(crate) fn settle(&mut self, manifest: &mut Manifest, stop: &StopSignal) -> Result<()> {
        self.committer.begin(&self.run_of(manifest, stop));
        let confirmed = manifest.confirmed.get(&self.sink);
        self.committer.recover(confirmed).map_err(|error| error.at(self.place()))?;
        self.paid_epoch = confirmed.map_or(Epoch(0), |confirmed| confirmed.epoch);
        let staged: Vec<_> =
            manifest.staged.iter().filter(|staged| staged.sink == self.sink).cloned().collect();
        let mut last = None;
        for payment in payments(&staged) {
            last = self.pay(payment)?.or(last);
        }
        self.note(manifest, last);
        Ok(())
    }

    /// Has the sink make everything visible that it was paid.
    pub(crate) fn finish(&mut self, manifest: &mut Manifest) -> Result<()> {
        let last =
            self.committer.finish(self.paid_epoch).map_err(|error| error.at(self.place()))?;
        self.note(manifest, last);
        Ok(())
    }

    fn note(&self, manifest: &mut Manifest, confirmed: Option<Confirmed>) {
        if let Some(confirmed) = confirmed {
            manifest.paid(&self.sink, confirmed);
        }
    }

    fn run_of(&self, manifest: &Manifest, stop: &StopSignal) -> Run {
        let (generation, folder) = (manifest.generation, self.folder.clone());
        Run {
            epoch: manifest.epoch,
            lineage: manifest.lineage.clone(),
            generation,
            is_current: Arc::new(move || Catalog::new(folder.clone()).is_current(generation)),
            stop: stop.clone(),
        }
    }

    pub(crate) fn handle(&mut self, message: PayMessage) -> Result<()> {
        let confirmed = match message {
            PayMessage::Pay(staged) => self.pay(&staged)?,
            PayMessage::Finish => {
                self.committer.finish(self.paid_epoch).map_err(|error| error.at(self.place()))?
            }
        };
        self.answers.add(confirmed);
        if let Some(ledger) = self.ledger.get() {
            // If its inbox is full, it looks at the answers anyway.
            ledger.offer(LedgerMessage::Paid);
        }
        Ok(())
    }

    fn pay(&mut self, staged: &[StagedRef]) -> Result<Option<Confirmed>> {
        let Some(epoch) = staged.last().map(|staged| staged.epoch) else { return Ok(None) };
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
