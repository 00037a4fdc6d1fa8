//! What an archive holds: its files, and for each row group the event times it spans.
//!
//! The times are read from the rows. Statistics in the footer are not trusted: a writer that gets
//! them wrong must not make rows disappear or come out of order.

use super::canonical::canonical;
use super::columns::Columns;
use super::decode::Misfit;
use super::file::{damaged, footer_hash, guarded, open, refused, with_texts_as_bytes};
use super::layout::{FileColumns, Layout};
use super::pages::check_pages;
use super::rows::Rows;
use crate::source::{cannot_read, field_names};
use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use waystream_engine::error::{JobError, Result};
use waystream_engine::event::Data;

/// Footers that are kept at hand; they can be large.
const FOOTERS_KEPT: usize = 32;
/// Rows decoded at once when only times are read.
const ROWS_PER_SCAN: usize = 8192;

/// A file of the archive.
#[derive(Debug)]
pub(crate) struct ArchiveFile {
    pub(crate) path: PathBuf,
    pub(crate) length: u64,
    /// Hash of its footer, which names the place, size and values' bounds of each column.
    pub(crate) footer: u64,
    /// What tells it from another file that takes its name.
    stamp: Stamp,
    pub(crate) layout: Layout,
}

/// Length, inode and time of the last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp(u64, u64, (i64, i64));

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self(found.len(), found.ino(), (found.mtime(), found.mtime_nsec()))
    }
}

/// A row group and the event times in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) file: u16,
    pub(crate) number: u32,
    /// The first row's number in the file.
    pub(crate) first_row: u32,
    pub(crate) min_ms: i64,
    pub(crate) max_ms: i64,
    /// Whether its rows are in order of event time, each with one.
    pub(crate) sorted: bool,
    /// Bytes of its columns when decompressed, as the footer says.
    pub(crate) bytes: u64,
}

/// An archive: its files and row groups.
pub(crate) struct Catalog {
    pub(crate) files: Vec<Arc<ArchiveFile>>,
    pub(crate) groups: Vec<Group>,
    pub(crate) columns: Arc<Columns>,
    footers: Vec<(u16, ArrowReaderMetadata)>,
}

impl Catalog {
    /// Opens every file, checks it against the record, and reads its event times.
    pub(crate) fn read<R: Data>(paths: &[PathBuf], columns: Columns) -> Result<Self> {
        let fields = field_names::<R>();
        let columns = Arc::new(columns);
        let mut catalog =
            Self { files: Vec::new(), groups: Vec::new(), columns, footers: Vec::new() };
        for path in paths {
            let (file, metadata) = open(path)?;
            let fail = |error| cannot_read(path, error);
            let found = file.metadata().map_err(fail)?;
            let (length, stamp) = (found.len(), Stamp::of(&found));
            let footer = footer_hash(&file, length).map_err(fail)?;
            let layout = Layout::of(path, &metadata, &catalog.columns, fields)?;
            check_pages(path, &file, metadata.metadata(), &layout.mask)?;
            let index = catalog.files.len() as u16;
            let path = path.clone();
            catalog.files.push(Arc::new(ArchiveFile { path, length, footer, stamp, layout }));
            catalog.keep(index, &metadata)?;
            catalog.probe::<R>(index, &metadata)?;
            catalog.scan(index, &metadata)?;
        }
        Ok(catalog)
    }

    /// Keeps a footer at hand, as rows are read by it.
    fn keep(&mut self, index: u16, footer: &ArrowReaderMetadata) -> Result<ArrowReaderMetadata> {
        let path = &self.files[usize::from(index)].path;
        let footer = guarded(|| with_texts_as_bytes(footer))
            .map_err(|error| refused(path, "its schema cannot be read").caused_by(error))?;
        if self.footers.len() == FOOTERS_KEPT {
            self.footers.remove(0);
        }
        self.footers.push((index, footer.clone()));
        Ok(footer)
    }

    /// Decodes the first row, which tells a file that does not fit the record from a bad row.
    fn probe<R: Data>(&mut self, index: u16, metadata: &ArrowReaderMetadata) -> Result<()> {
        let groups = metadata.metadata().row_groups();
        let Some(group) = groups.iter().position(|group| group.num_rows() > 0) else {
            return Ok(());
        };
        let mask = self.files[usize::from(index)].layout.mask.clone();
        let mut reader = self.batches(index, group as u32, mask, 1)?;
        let Some(batch) = next_batch(&mut reader) else { return Ok(()) };
        let file = &self.files[usize::from(index)];
        let broken = |error| damaged(&file.path, group as u32, error);
        let batch = canonical(&batch.map_err(broken)?, &file.layout, self.columns.zone.as_ref());
        let rows = Rows::new(&batch.map_err(broken)?, &self.columns.time_field);
        match rows.decode::<R>(0) {
            Ok(_) | Err(Misfit::Row(_)) => Ok(()),
            Err(misfit) => Err(self.misfit(index, misfit)),
        }
    }

    /// Reads the event times of a file's row groups.
    fn scan(&mut self, index: u16, metadata: &ArrowReaderMetadata) -> Result<()> {
        let file = self.files[usize::from(index)].clone();
        let mut first_row = 0u64;
        for (number, group) in metadata.metadata().row_groups().iter().enumerate() {
            let rows = u64::try_from(group.num_rows()).unwrap_or(0);
            if first_row + rows > 1 << 32 {
                let wrong = "it has more than 2^32 rows, which is the limit for one file";
                return Err(refused(&file.path, wrong));
            }
            if rows > 0 {
                let number = number as u32;
                let bytes = u64::try_from(group.total_byte_size()).unwrap_or(0);
                let mut span = Span::default();
                let mut reader =
                    self.batches(index, number, file.layout.time_mask.clone(), ROWS_PER_SCAN)?;
                while let Some(batch) = next_batch(&mut reader) {
                    let broken = |error| damaged(&file.path, number, error);
                    self.add(&mut span, &file, &batch.map_err(broken)?).map_err(broken)?;
                }
                let (min_ms, max_ms) = span.range.unwrap_or((i64::MIN, i64::MIN));
                let first_row = first_row as u32;
                let sorted = span.sorted;
                let group = Group { file: index, number, first_row, min_ms, max_ms, sorted, bytes };
                self.groups.push(group);
            }
            first_row += rows;
        }
        Ok(())
    }

    fn add(
        &self,
        span: &mut Span,
        file: &ArchiveFile,
        batch: &RecordBatch,
    ) -> std::result::Result<(), ArrowError> {
        let batch = canonical(batch, &file.layout, self.columns.zone.as_ref())?;
        let rows = Rows::new(&batch, &self.columns.time_field);
        for row in 0..batch.num_rows() {
            span.add(rows.time(row));
        }
        Ok(())
    }

    /// Opens a row group for reading these columns.
    pub(crate) fn batches(
        &mut self,
        index: u16,
        group: u32,
        mask: ProjectionMask,
        rows: usize,
    ) -> Result<ParquetRecordBatchReader> {
        let file = self.files[usize::from(index)].clone();
        let known = self.footers.iter().find(|(other, _)| *other == index);
        let (handle, footer) = match known {
            Some((_, footer)) => {
                let handle = File::open(&file.path).map_err(|e| cannot_read(&file.path, e))?;
                (handle, footer.clone())
            }
            None => {
                let (handle, footer) = open(&file.path)?;
                (handle, self.keep(index, &footer)?)
            }
        };
        let found = handle.metadata().map_err(|error| cannot_read(&file.path, error))?;
        if Stamp::of(&found) != file.stamp {
            let what = format!("{} was changed while it was read", file.path.display());
            return Err(JobError::unavailable(what).hint("start over with --fresh"));
        }
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(handle, footer)
            .with_row_groups(vec![group as usize])
            .with_projection(mask)
            .with_batch_size(rows);
        guarded(|| builder.build()).map_err(|error| damaged(&file.path, group, error))
    }

    /// A file that does not fit the record, as an error.
    pub(crate) fn misfit(&mut self, index: u16, misfit: Misfit) -> JobError {
        let file = self.files[usize::from(index)].clone();
        let path = &file.path;
        let metadata = match open(path) {
            Ok((_, metadata)) => metadata,
            Err(error) => return error,
        };
        let columns = FileColumns { path, metadata: &metadata };
        match misfit {
            Misfit::Row(rejection) => refused(path, &rejection.error),
            Misfit::Missing(field) => columns.missing(&field, self.columns.path_of(&field)),
            Misfit::Column(field, rejection) => {
                let parts = file.layout.fields.iter().find(|(other, _)| *other == field);
                let parts = parts.map(|(_, parts)| parts.clone()).unwrap_or_default();
                let found = columns.type_of(&parts).map(|found| found.to_string());
                JobError::configuration(format!(
                    "{}: column `{}` is {}, which does not fit the record: {}",
                    path.display(),
                    parts.join("."),
                    found.unwrap_or_default(),
                    rejection.error
                ))
                .hint(format!("convert the column, or name another: map={field}:NAME"))
            }
        }
    }
}

/// The next rows of a row group.
pub(crate) fn next_batch(
    reader: &mut ParquetRecordBatchReader,
) -> Option<std::result::Result<RecordBatch, ArrowError>> {
    guarded(|| Ok::<_, ArrowError>(reader.next())).unwrap_or_else(|error| Some(Err(error)))
}

/// The event times seen in a row group so far.
#[derive(Debug)]
struct Span {
    range: Option<(i64, i64)>,
    sorted: bool,
}

impl Default for Span {
    fn default() -> Self {
        Self { range: None, sorted: true }
    }
}

impl Span {
    fn add(&mut self, time: Option<i64>) {
        let Some(time) = time else {
            self.sorted = false;
            return;
        };
        self.range = match self.range {
            None => Some((time, time)),
            Some((min, max)) => {
                self.sorted &= time >= max;
                Some((min.min(time), max.max(time)))
            }
        };
    }
}
