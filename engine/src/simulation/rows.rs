//! A file sink for simulations: rows in postcard, each with its length in front, at a known
//! offset of one file.

use crate::checkpoint::{Confirmed, Disk};
use crate::error::{JobError, Result};
use crate::event::Data;
use crate::sabotage::{Sabotage, planted};
use crate::sink::{Committer, Encoder, Sink, StagedBatch};
use crate::time::Epoch;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writes rows of type `T` to a file.
#[derive(Clone, Debug)]
pub struct RowsFile<T> {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    _rows: PhantomData<fn(T)>,
}

impl<T: Data> RowsFile<T> {
    /// A file on a disk.
    pub fn new(disk: Arc<dyn Disk>, path: impl Into<PathBuf>) -> Self {
        Self { disk, path: path.into(), _rows: PhantomData }
    }

    /// The rows that are in the file.
    ///
    /// # Errors
    /// If the file is not made of whole rows of this type.
    pub fn read(&self) -> Result<Vec<T>> {
        let decode = |row: Vec<u8>| postcard::from_bytes(&row);
        let rows: std::result::Result<_, _> = self.read_raw()?.into_iter().map(decode).collect();
        rows.map_err(|error| self.broken().caused_by(error))
    }

    /// The rows that are in the file, undecoded.
    ///
    /// # Errors
    /// If the file is not made of whole rows.
    pub fn read_raw(&self) -> Result<Vec<Vec<u8>>> {
        let bytes = match self.disk.read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.broken().caused_by(error)),
        };
        let mut rows = Vec::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (length, tail) = rest.split_first_chunk::<4>().ok_or_else(|| self.broken())?;
            let length = u32::from_le_bytes(*length) as usize;
            let (row, tail) = tail.split_at_checked(length).ok_or_else(|| self.broken())?;
            rows.push(row.to_vec());
            rest = tail;
        }
        Ok(rows)
    }

    fn broken(&self) -> JobError {
        JobError::failed(format!("{} is not made of whole rows", self.path.display()))
    }
}

impl<T: Data> Sink<T> for RowsFile<T> {
    fn kind(&self) -> &'static str {
        "rows"
    }

    fn encoder(&self) -> Result<Box<dyn Encoder<T>>> {
        Ok(Box::new(RowsEncoder))
    }

    fn committer(&self) -> Result<Box<dyn Committer>> {
        let (disk, path) = (Arc::clone(&self.disk), self.path.clone());
        Ok(Box::new(RowsCommitter { disk, path, length: 0, committed: None }))
    }
}

struct RowsEncoder;

impl<T: Data> Encoder<T> for RowsEncoder {
    fn encode(&mut self, row: &T, into: &mut Vec<u8>) -> Result<()> {
        let bytes = postcard::to_stdvec(row)
            .map_err(|error| JobError::failed("a row cannot be encoded").caused_by(error))?;
        into.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        into.extend_from_slice(&bytes);
        Ok(())
    }
}

struct RowsCommitter {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    length: u64,
    /// The epoch committed last.
    committed: Option<Epoch>,
}

impl RowsCommitter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.disk.write_at(&self.path, self.length, bytes)?;
        self.disk.sync(&self.path)?;
        self.disk.sync_dir(self.path.parent().unwrap_or(Path::new("")))?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

impl Committer for RowsCommitter {
    fn recover(&mut self, confirmed: Option<&Confirmed>) -> Result<()> {
        self.length = confirmed.and_then(|c| c.position.parse().ok()).unwrap_or(0);
        self.committed = confirmed.map(|confirmed| confirmed.epoch);
        if planted(Sabotage::PaidTwice) {
            self.length = self.disk.len(&self.path).ok().flatten().unwrap_or(0);
            return Ok(());
        }
        let cut = self.disk.set_len(&self.path, self.length);
        cut.map_err(|error| JobError::unavailable("cannot write the rows").caused_by(error))
    }

    fn commit(&mut self, epoch: Epoch, batches: Vec<StagedBatch>) -> Result<Option<Confirmed>> {
        if let Some(last) = self.committed.filter(|last| *last >= epoch) {
            let what = format!("epoch {epoch} is committed when {last} was before");
            return Err(JobError::failed(what));
        }
        let bytes: Vec<u8> = batches.into_iter().flat_map(|batch| batch.bytes).collect();
        self.write(&bytes)
            .map_err(|error| JobError::unavailable("cannot write the rows").caused_by(error))?;
        self.committed = Some(epoch);
        Ok(Some(Confirmed { epoch, position: self.length.to_string() }))
    }

    fn finish(&mut self, _epoch: Epoch) -> Result<Option<Confirmed>> {
        Ok(None)
    }
}
