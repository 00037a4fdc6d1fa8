//! `jsonl:FILE`: one JSON object per line, appended at the length that was confirmed last.
//!
//! The length in bytes is the whole position. What a cut-off run wrote beyond it is cut off and
//! written again from the checkpoint. Floats that are not numbers become `null`.

use super::claim::{Claim, Owner, cannot};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use waystream_engine::checkpoint::{Confirmed, Disk};
use waystream_engine::error::{JobError, Result};
use waystream_engine::sink::{Committer, Encoder, Sink, StagedBatch};
use waystream_engine::time::Epoch;

/// A sink that writes JSON lines to one file.
#[derive(Debug)]
pub(super) struct JsonlSink {
    claim: Claim,
    path: PathBuf,
}

impl JsonlSink {
    pub(super) fn new(disk: Arc<dyn Disk>, path: &Path, owner: &Owner<'_>) -> Self {
        Self { claim: Claim::of_file(disk, path, owner), path: path.to_owned() }
    }

    pub(super) fn file_committer(&self) -> JsonlCommitter {
        JsonlCommitter { claim: self.claim.clone(), path: self.path.clone(), length: 0 }
    }
}

impl<T: Serialize> Sink<T> for JsonlSink {
    fn kind(&self) -> &'static str {
        "jsonl"
    }

    fn encoder(&self) -> Result<Box<dyn Encoder<T>>> {
        Ok(Box::new(JsonlEncoder))
    }

    fn committer(&self) -> Result<Box<dyn Committer>> {
        Ok(Box::new(self.file_committer()))
    }
}

/// Frames a row as compact JSON and a newline.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonlEncoder;

impl<T: Serialize> Encoder<T> for JsonlEncoder {
    fn encode(&mut self, row: &T, into: &mut Vec<u8>) -> Result<()> {
        let start = into.len();
        if let Err(error) = serde_json::to_writer(&mut *into, row) {
            into.truncate(start);
            return Err(JobError::failed("cannot write a row as JSON").caused_by(error));
        }
        into.push(b'\n');
        Ok(())
    }
}

/// Appends committed rows to the file.
#[derive(Debug)]
pub(super) struct JsonlCommitter {
    claim: Claim,
    path: PathBuf,
    /// Bytes of committed rows in the file.
    length: u64,
}

impl JsonlCommitter {
    fn start_anew(&mut self) -> Result<()> {
        if !self.claim.is_held()? {
            let there = self.disk().len(&self.path).map_err(cannot("read", &self.path))?;
            if there.is_some_and(|length| length > 0) {
                let path = self.path.display();
                return Err(JobError::configuration(format!(
                    "{path} holds something that this job did not write"
                ))
                .hint("move the file away, or name another with --sink"));
            }
            self.claim.take()?;
        }
        self.cut(0)
    }

    fn resume(&mut self, confirmed: &Confirmed) -> Result<()> {
        let (path, position) = (self.path.display(), &confirmed.position);
        let length: u64 = position.parse().map_err(|error| {
            JobError::checkpoint(format!("{path}: `{position}` is not a length")).caused_by(error)
        })?;
        let there = self.disk().len(&self.path).map_err(cannot("read", &self.path))?;
        if there.unwrap_or(0) < length {
            let found = match there {
                Some(there) => format!("has {there} bytes"),
                None => "is missing".into(),
            };
            return Err(JobError::checkpoint(format!(
                "{path} {found}, the checkpoint says that {length} were written"
            ))
            .hint("put the file back, or start from an empty state with --fresh"));
        }
        if !self.claim.is_held()? {
            // Nothing was written yet, so another file does as well.
            if length == 0 {
                return self.start_anew();
            }
            return Err(JobError::configuration(format!(
                "{path} is not the file that the checkpoint says {length} bytes were written to"
            ))
            .hint("name that file with --sink, or start from an empty state with --fresh"));
        }
        self.cut(length)
    }

    fn cut(&mut self, length: u64) -> Result<()> {
        let done = self
            .disk()
            .set_len(&self.path, length)
            .and_then(|()| self.disk().sync(&self.path))
            .and_then(|()| self.disk().sync_dir(&self.claim.folder));
        done.map_err(cannot("write", &self.path))?;
        self.length = length;
        Ok(())
    }

    fn disk(&self) -> &dyn Disk {
        &*self.claim.disk
    }
}

impl Committer for JsonlCommitter {
    fn recover(&mut self, confirmed: Option<&Confirmed>) -> Result<()> {
        self.claim.make_folder()?;
        match confirmed {
            None => self.start_anew(),
            Some(confirmed) => self.resume(confirmed),
        }
    }

    fn commit(&mut self, epoch: Epoch, batches: Vec<StagedBatch>) -> Result<Option<Confirmed>> {
        let mut end = self.length;
        for batch in batches {
            let written = self.disk().write_at(&self.path, end, &batch.bytes);
            written.map_err(cannot("write", &self.path))?;
            end += batch.bytes.len() as u64;
        }
        self.disk().sync(&self.path).map_err(cannot("sync", &self.path))?;
        self.length = end;
        Ok(Some(Confirmed { epoch, position: end.to_string() }))
    }

    fn finish(&mut self, _: Epoch) -> Result<Option<Confirmed>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
