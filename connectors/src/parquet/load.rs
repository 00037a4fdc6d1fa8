//! Row groups as blocks of rows that know their place in the order.

use super::canonical::canonical;
use super::catalog::{ArchiveFile, Catalog, Group, next_batch};
use super::columns::Columns;
use super::file::damaged;
use super::rows::Rows;
use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use std::sync::Arc;
use waystream_engine::error::Result;

/// Rows decoded at once.
const ROWS_PER_BATCH: usize = 4096;
/// Bytes a row takes beside its columns: its key and its place.
const ROW_BYTES: usize = 8 + 8 + 4;

/// A row's place in the archive: event time, then file and row.
pub(crate) type Key = (i64, u64);

/// The origin of a row: file above, row below.
pub(crate) fn origin(file: u16, row: u32) -> u64 {
    (u64::from(file) << 32) | u64::from(row)
}

/// Rows in order.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) batch: RecordBatch,
    pub(crate) rows: Rows,
    pub(crate) times: Vec<i64>,
    pub(crate) origins: Vec<u64>,
    /// The rows to be taken, in order.
    pub(crate) order: Vec<u32>,
    pub(crate) bytes: usize,
}

impl Block {
    /// Puts rows of one file in order, without those up to `after`.
    fn sorted(part: Part, time_field: &str, after: Option<Key>) -> Self {
        let Part { batch, rows, times, origins } = part;
        let rows = rows.unwrap_or_else(|| Rows::new(&batch, time_field));
        let mut order: Vec<u32> = (0..times.len() as u32).collect();
        if let Some(after) = after {
            order.retain(|&row| (times[row as usize], origins[row as usize]) > after);
        }
        if !order.is_sorted_by_key(|&row| times[row as usize]) {
            order.sort_by_key(|&row| times[row as usize]);
        }
        let bytes = batch.get_array_memory_size() + times.len() * ROW_BYTES;
        Self { batch, rows, times, origins, order, bytes }
    }

    /// The place of the n-th row to be taken.
    pub(crate) fn key(&self, at: usize) -> Key {
        let row = self.order[at] as usize;
        (self.times[row], self.origins[row])
    }
}

/// Rows as they were read.
struct Part {
    batch: RecordBatch,
    rows: Option<Rows>,
    times: Vec<i64>,
    origins: Vec<u64>,
}

/// Reads one row group.
pub(crate) struct GroupReader {
    file: Arc<ArchiveFile>,
    columns: Arc<Columns>,
    group: Group,
    reader: ParquetRecordBatchReader,
    next_row: u32,
    after: Option<Key>,
}

impl GroupReader {
    /// Opens a row group; rows up to `after` are left out.
    pub(crate) fn open(catalog: &mut Catalog, group: Group, after: Option<Key>) -> Result<Self> {
        let file = catalog.files[usize::from(group.file)].clone();
        let mask = file.layout.mask.clone();
        let reader = catalog.batches(group.file, group.number, mask, ROWS_PER_BATCH)?;
        let columns = catalog.columns.clone();
        Ok(Self { file, columns, group, reader, next_row: group.first_row, after })
    }

    /// The next rows as they come, for a row group that is in order.
    pub(crate) fn next_batch(&mut self) -> Result<Option<Block>> {
        while let Some(part) = self.next_part()? {
            let block = Block::sorted(part, &self.columns.time_field, self.after);
            if !block.order.is_empty() {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }

    /// The next rows, about as many bytes as given, put in order.
    pub(crate) fn next_chunk(&mut self, bytes: usize) -> Result<Option<Block>> {
        loop {
            let mut parts = Vec::new();
            let mut held = 0;
            while held < bytes.max(1) {
                let Some(part) = self.next_part()? else { break };
                held += part.batch.get_array_memory_size() + part.times.len() * ROW_BYTES;
                parts.push(part);
            }
            let Some(part) = self.joined(parts)? else { return Ok(None) };
            let block = Block::sorted(part, &self.columns.time_field, self.after);
            if !block.order.is_empty() {
                return Ok(Some(block));
            }
        }
    }

    fn joined(&self, mut parts: Vec<Part>) -> Result<Option<Part>> {
        if parts.len() < 2 {
            return Ok(parts.pop());
        }
        let batches: Vec<&RecordBatch> = parts.iter().map(|part| &part.batch).collect();
        let batch = concat_batches(&batches[0].schema(), batches)
            .map_err(|error| damaged(&self.file.path, self.group.number, error))?;
        let times = parts.iter().flat_map(|part| &part.times).copied().collect();
        let origins = parts.iter().flat_map(|part| &part.origins).copied().collect();
        Ok(Some(Part { batch, rows: None, times, origins }))
    }

    fn next_part(&mut self) -> Result<Option<Part>> {
        let broken = |error| damaged(&self.file.path, self.group.number, error);
        let Some(batch) = next_batch(&mut self.reader) else { return Ok(None) };
        let zone = self.columns.zone.as_ref();
        let batch = canonical(&batch.map_err(broken)?, &self.file.layout, zone).map_err(broken)?;
        let rows = Rows::new(&batch, &self.columns.time_field);
        let count = batch.num_rows();
        // A row without a time comes where its row group begins.
        let times = (0..count).map(|row| rows.time(row).unwrap_or(self.group.min_ms)).collect();
        let numbers = (0..count as u32).map(|row| self.next_row.wrapping_add(row));
        let origins = numbers.map(|row| origin(self.group.file, row)).collect();
        self.next_row = self.next_row.wrapping_add(count as u32);
        Ok(Some(Part { batch, rows: Some(rows), times, origins }))
    }
}
