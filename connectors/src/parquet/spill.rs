//! Runs merged into one and written to a temporary file that nobody else sees.
//!
//! The file is Arrow's stream format in small blocks, with event time and origin as the last two
//! columns. It has no name, so it is gone when the process is.

use super::load::Block;
use super::rows::Rows;
use super::run::{More, Run};
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt64Array};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use arrow_select::interleave::interleave_record_batch;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use waystream_engine::error::{JobError, Result};

/// Rows in a block on disk; a run that is being merged holds one block in memory.
const ROWS_PER_BLOCK: usize = 512;

/// Where runs are written, and how their blocks are understood.
#[derive(Clone, Debug)]
pub(crate) struct SpillPlace {
    pub(crate) dir: PathBuf,
    pub(crate) time_field: String,
}

/// Merges runs of one schema and writes them; gives back the one run they have become.
pub(crate) fn spill(place: &SpillPlace, mut runs: Vec<Run>) -> Result<Option<Run>> {
    let Some(first) = runs.first() else { return Ok(None) };
    let schema = with_keys(&first.block.batch.schema());
    let file = tempfile::tempfile_in(&place.dir).map_err(|error| failed(&place.dir, error))?;
    let broken = |error| failed(&place.dir, error);
    let mut writer = StreamWriter::try_new(BufWriter::new(file), &schema).map_err(broken)?;
    let keys = runs.iter().enumerate().map(|(index, run)| Reverse((run.key(), index)));
    let mut heap: BinaryHeap<_> = keys.collect();
    let mut picks = Vec::with_capacity(ROWS_PER_BLOCK);
    while let Some(Reverse((_, index))) = heap.pop() {
        picks.push((index, runs[index].row()));
        if picks.len() == ROWS_PER_BLOCK || runs[index].is_last_of_block() {
            let block = gather(&schema, &runs, &picks).map_err(broken)?;
            writer.write(&block).map_err(broken)?;
            picks.clear();
        }
        if runs[index].advance()? {
            heap.push(Reverse((runs[index].key(), index)));
        }
    }
    writer.finish().map_err(broken)?;
    let file = writer.into_inner().map_err(broken)?;
    let mut file = file.into_inner().map_err(|error| failed(&place.dir, error.into_error()))?;
    file.rewind().map_err(|error| failed(&place.dir, error))?;
    let reader = StreamReader::try_new(BufReader::new(file), None).map_err(broken)?;
    let mut reader = SpillReader { place: place.clone(), reader };
    let block = reader.next_block()?;
    Ok(block.map(|block| Run { block, at: 0, more: More::Spilled(Box::new(reader)) }))
}

fn with_keys(schema: &Schema) -> Arc<Schema> {
    let mut fields: Vec<Field> = schema.fields().iter().map(|f| f.as_ref().clone()).collect();
    fields.push(Field::new("event time", DataType::Int64, false));
    fields.push(Field::new("origin", DataType::UInt64, false));
    Arc::new(Schema::new(fields))
}

/// The picked rows of the runs' blocks as one block.
fn gather(
    schema: &Arc<Schema>,
    runs: &[Run],
    picks: &[(usize, usize)],
) -> std::result::Result<RecordBatch, ArrowError> {
    let batches: Vec<&RecordBatch> = runs.iter().map(|run| &run.block.batch).collect();
    let rows = interleave_record_batch(&batches, picks)?;
    let times: Int64Array =
        picks.iter().map(|(run, row)| Some(runs[*run].block.times[*row])).collect();
    let origins: UInt64Array =
        picks.iter().map(|(run, row)| Some(runs[*run].block.origins[*row])).collect();
    let mut columns = rows.columns().to_vec();
    columns.push(Arc::new(times) as ArrayRef);
    columns.push(Arc::new(origins) as ArrayRef);
    RecordBatch::try_new(schema.clone(), columns)
}

/// Reads a run back.
pub(crate) struct SpillReader {
    place: SpillPlace,
    reader: StreamReader<BufReader<File>>,
}

impl SpillReader {
    /// The next block, if there is one.
    pub(crate) fn next_block(&mut self) -> Result<Option<Block>> {
        let Some(batch) = self.reader.next() else { return Ok(None) };
        let broken = |error| failed(&self.place.dir, error);
        let batch = batch.map_err(broken)?;
        let fields = batch.num_columns() - 2;
        let times = batch.column(fields).to_data();
        let origins = batch.column(fields + 1).to_data();
        let times = arrow_array::PrimitiveArray::<Int64Type>::from(times).values().to_vec();
        let origins = arrow_array::PrimitiveArray::<UInt64Type>::from(origins).values().to_vec();
        let wanted: Vec<usize> = (0..fields).collect();
        let batch = batch.project(&wanted).map_err(broken)?;
        let rows = Rows::new(&batch, &self.place.time_field);
        let order = (0..times.len() as u32).collect();
        let bytes = batch.get_array_memory_size();
        Ok(Some(Block { batch, rows, times, origins, order, bytes }))
    }
}

fn failed(dir: &Path, error: impl std::error::Error + Send + Sync + 'static) -> JobError {
    JobError::unavailable(format!("cannot sort rows on disk in {}", dir.display()))
        .hint("make room there, or allow the source more memory")
        .caused_by(error)
}
