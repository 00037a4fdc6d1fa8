//! Collects committed rows and puts them into files named after the epochs they hold.
//!
//! Rows stay owed in the checkpoint until their file is durable under its final name; only then is
//! the last epoch of the file confirmed. A file that begins after the confirmed epoch is of a run
//! whose confirmation was lost: it is removed, for its rows come again, perhaps in other files.

use super::columns::Column;
use super::frames::{Frame, damaged, next_frame};
use super::part::parquet_file;
use crate::sink::claim::{Claim, cannot};
use waystream_engine::checkpoint::Confirmed;
use waystream_engine::error::{JobError, Result};
use waystream_engine::sink::{Committer, StagedBatch};
use waystream_engine::time::Epoch;

/// Epochs after which a file is written even if it is small: its rows are kept in the checkpoint
/// until then, and nobody sees them. A quarter of an hour at an epoch a second.
const ROLL_EPOCHS: u64 = 900;

/// Writes the files of one folder.
#[derive(Debug)]
pub(super) struct ParquetCommitter {
    claim: Claim,
    roll_bytes: u64,
    collected: Option<Collected>,
    /// The name of the newest file.
    newest: String,
}

/// Rows of the file to come, as they were staged. At most `roll_bytes` and one commit's rows.
#[derive(Debug)]
struct Collected {
    columns: Vec<Column>,
    first: Epoch,
    last: Epoch,
    staged: Vec<Vec<u8>>,
    bytes: u64,
}

impl ParquetCommitter {
    pub(super) fn new(claim: Claim, roll_bytes: u64) -> Self {
        Self { claim, roll_bytes, collected: None, newest: String::new() }
    }

    fn refuse_strangers(&self, names: &[String]) -> Result<()> {
        let Some(name) = names.iter().find(|name| name.ends_with(".parquet")) else {
            return Ok(());
        };
        let path = self.claim.folder.join(name);
        Err(JobError::configuration(format!("this job did not write {}", path.display()))
            .hint("move the files away, or name another folder with --sink"))
    }

    /// Removes the files that begin after the confirmed epoch, and those that were never whole.
    fn remove_unconfirmed(&self, names: &[String], confirmed: Option<Epoch>) -> Result<()> {
        let folder = &self.claim.folder;
        for name in names {
            let path = folder.join(name);
            let unconfirmed = match part_epochs(name) {
                Some((first, last)) if Some(first) <= confirmed && Some(last) > confirmed => {
                    let what = format!("{} has rows of epochs {first} to {last}", path.display());
                    let end = confirmed.map_or(0, |epoch| epoch.0);
                    return Err(JobError::checkpoint(format!(
                        "{what}, the checkpoint says that a file ends with epoch {end}"
                    ))
                    .hint("the folder belongs to another run: name a new one with --sink"));
                }
                Some((first, _)) => Some(first) > confirmed,
                None => is_leftover(name),
            };
            if unconfirmed {
                self.claim.disk.remove(&path).map_err(cannot("remove", &path))?;
            }
        }
        self.claim.disk.sync_dir(folder).map_err(cannot("sync the folder", folder))
    }

    /// Adds a batch; returns what was confirmed if it had to begin a new file.
    fn collect(&mut self, batch: StagedBatch) -> Result<Option<Confirmed>> {
        if batch.bytes.is_empty() {
            return Ok(None);
        }
        let Some(Frame::Header(columns)) = next_frame(&mut batch.bytes.as_slice())? else {
            return Err(damaged());
        };
        let other = self.collected.as_ref().filter(|collected| collected.columns != columns);
        let confirmed = match other.map(|other| other.last) {
            // Only another version of the job, so another epoch, has other columns.
            Some(last) if last >= batch.epoch => return Err(damaged()),
            Some(_) => self.roll()?,
            None => None,
        };
        let collected = self.collected.get_or_insert_with(|| Collected {
            columns,
            first: batch.epoch,
            last: batch.epoch,
            staged: Vec::new(),
            bytes: 0,
        });
        collected.last = collected.last.max(batch.epoch);
        collected.bytes += batch.bytes.len() as u64;
        collected.staged.push(batch.bytes);
        Ok(confirmed)
    }

    /// Puts what was collected into a file.
    fn roll(&mut self) -> Result<Option<Confirmed>> {
        let Some(collected) = &self.collected else { return Ok(None) };
        let name = part_name(collected.first, collected.last);
        let bytes = parquet_file(&collected.columns, &collected.staged)?;
        self.put(&name, &bytes)?;
        let confirmed = Confirmed { epoch: collected.last, position: name.clone() };
        self.newest = name;
        self.collected = None;
        Ok(Some(confirmed))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let (disk, folder) = (&self.claim.disk, &self.claim.folder);
        let (aside, path) = (folder.join(format!(".{name}.tmp")), folder.join(name));
        // Not `Disk::write`, which makes files that only their owner can read.
        let written = disk
            .set_len(&aside, 0)
            .and_then(|()| disk.write_at(&aside, 0, bytes))
            .and_then(|()| disk.sync(&aside))
            .and_then(|()| disk.rename(&aside, &path))
            .and_then(|()| disk.sync_dir(folder));
        written.map_err(cannot("write", &path))
    }
}

impl Committer for ParquetCommitter {
    fn recover(&mut self, confirmed: Option<&Confirmed>) -> Result<()> {
        self.claim.make_folder()?;
        let names = self.claim.disk.list(&self.claim.folder);
        let names = names.map_err(cannot("read the folder", &self.claim.folder))?;
        if !self.claim.is_held()? {
            if let Some(confirmed) = confirmed.filter(|confirmed| !confirmed.position.is_empty()) {
                let (folder, part) = (self.claim.folder.display(), &confirmed.position);
                return Err(JobError::configuration(format!(
                    "{folder} is not the folder that the checkpoint says {part} was written to"
                ))
                .hint("name that folder with --sink, or start from an empty state with --fresh"));
            }
            self.refuse_strangers(&names)?;
            self.claim.take()?;
        }
        self.collected = None;
        self.newest = confirmed.map(|confirmed| confirmed.position.clone()).unwrap_or_default();
        self.remove_unconfirmed(&names, confirmed.map(|confirmed| confirmed.epoch))
    }

    fn commit(&mut self, epoch: Epoch, batches: Vec<StagedBatch>) -> Result<Option<Confirmed>> {
        let mut confirmed = None;
        for batch in batches {
            confirmed = self.collect(batch)?.or(confirmed);
        }
        match &mut self.collected {
            // Nothing is owed but batches without rows.
            None => Ok(Some(Confirmed { epoch, position: self.newest.clone() })),
            Some(collected) => {
                collected.last = epoch;
                let age = epoch.0 - collected.first.0.min(epoch.0);
                let full = collected.bytes >= self.roll_bytes || age >= ROLL_EPOCHS;
                Ok(if full { self.roll()? } else { confirmed })
            }
        }
    }

    fn finish(&mut self, _: Epoch) -> Result<Option<Confirmed>> {
        self.roll()
    }
}

/// The name of the file that holds the rows of these epochs; names sort as epochs do.
fn part_name(first: Epoch, last: Epoch) -> String {
    format!("part-{:010}-{:010}.parquet", first.0, last.0)
}

/// The epochs in a file name, if it is one of ours.
fn part_epochs(name: &str) -> Option<(Epoch, Epoch)> {
    let (first, last) = name.strip_prefix("part-")?.strip_suffix(".parquet")?.split_once('-')?;
    let epochs = (Epoch(first.parse().ok()?), Epoch(last.parse().ok()?));
    (part_name(epochs.0, epochs.1) == name).then_some(epochs)
}

/// Whether a file was written aside and never got its name.
fn is_leftover(name: &str) -> bool {
    let whole = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
    whole.is_some_and(|name| part_epochs(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::claim::Owner;
    use crate::sink::parquet::ParquetSink;
    use serde::{Deserialize, Serialize};
    use std::sync::Arc;
    use waystream_engine::checkpoint::LocalDisk;
    use waystream_engine::sink::Sink;

    #[derive(Clone, Serialize, Deserialize)]
    struct Count {
        n: u64,
    }

    #[test]
    fn a_small_file_is_written_when_its_rows_are_old() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(LocalDisk);
        let sink = ParquetSink::of::<Count>(disk, folder.path(), &Owner::of_test("rows"), 1 << 20)
            .unwrap();
        let mut committer = Sink::<Count>::committer(&sink).unwrap();
        committer.recover(None).unwrap();
        let mut commit = |epoch| {
            let mut bytes = Vec::new();
            Sink::<Count>::encoder(&sink).unwrap().encode(&Count { n: epoch }, &mut bytes).unwrap();
            let batch = StagedBatch { epoch: Epoch(epoch), rows: 1, bytes };
            committer.commit(Epoch(epoch), vec![batch]).unwrap().map(|confirmed| confirmed.position)
        };
        assert_eq!(commit(5), None);
        assert_eq!(commit(904), None);
        assert_eq!(commit(905), Some(part_name(Epoch(5), Epoch(905))));
        assert_eq!(commit(906), None);
    }
}
