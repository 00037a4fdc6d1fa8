//! The Parquet sink: row type to columns when it is opened, then an encoder and a committer.

use super::columns::Column;
use super::committer::ParquetCommitter;
use super::encoder::RowEncoder;
use super::trace::columns_of;
use crate::sink::claim::{Claim, Owner};
use std::path::Path;
use std::sync::Arc;
use waystream_engine::checkpoint::Disk;
use waystream_engine::error::Result;
use waystream_engine::event::Data;
use waystream_engine::sink::{Committer, Encoder, Sink};

/// Staged bytes that make a file, unless the URL says otherwise.
pub(in crate::sink) const ROLL_BYTES: u64 = 64 << 20;

/// A sink that writes Parquet files to one folder.
#[derive(Debug)]
pub(in crate::sink) struct ParquetSink {
    claim: Claim,
    columns: Arc<[Column]>,
    roll_bytes: u64,
}

impl ParquetSink {
    /// A sink for rows of type `T`.
    ///
    /// # Errors
    /// If the type has no flat columns.
    pub(in crate::sink) fn of<T: Data>(
        disk: Arc<dyn Disk>,
        folder: &Path,
        owner: &Owner<'_>,
        roll_bytes: u64,
    ) -> Result<Self> {
        let columns = columns_of::<T>()?.into();
        Ok(Self { claim: Claim::of_folder(disk, folder, owner), columns, roll_bytes })
    }
}

impl<T: Data> Sink<T> for ParquetSink {
    fn kind(&self) -> &'static str {
        "parquet"
    }

    fn encoder(&self) -> Result<Box<dyn Encoder<T>>> {
        Ok(Box::new(RowEncoder { columns: Arc::clone(&self.columns) }))
    }

    fn committer(&self) -> Result<Box<dyn Committer>> {
        Ok(Box::new(ParquetCommitter::new(self.claim.clone(), self.roll_bytes)))
    }
}
