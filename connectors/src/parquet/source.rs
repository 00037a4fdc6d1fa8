//! The source over a glob of Parquet files: one partition, in event-time order.

use super::catalog::Catalog;
use super::columns::Columns;
use super::decode::Misfit;
use super::load::Key;
use super::merge::Merge;
use super::spill::SpillPlace;
use crate::format::{Check, Rejection, checked, shortened};
use crate::source::{Files, Pace, Pull, Pulled, decode_mark, encode_mark, fnv, reader};
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use waystream_engine::error::{JobError, Result};
use waystream_engine::event::Data;
use waystream_engine::source::{Partition, Position, Reader, Reject, Source};

/// Parquet files as a bounded source.
#[derive(Debug)]
pub struct ParquetSource<R> {
    files: Files<R>,
    columns: Columns,
    memory_bytes: usize,
    spill_dir: PathBuf,
}

impl<R: Data> ParquetSource<R> {
    /// The files that a glob names, or that are in a directory. Up to `memory_bytes` of rows are
    /// held; beyond that they are sorted on disk.
    #[must_use]
    pub fn new(pattern: &str, columns: Columns, memory_bytes: usize) -> Self {
        let files = Files::new(pattern, "parquet");
        Self { files, columns, memory_bytes, spill_dir: std::env::temp_dir() }
    }

    /// Sorts in this directory instead of the system's temporary one.
    #[must_use]
    pub fn spilling_to(mut self, dir: Option<PathBuf>) -> Self {
        self.spill_dir = dir.unwrap_or(self.spill_dir);
        self
    }

    /// Checks every record.
    #[must_use]
    pub fn checking(mut self, check: Option<Check<R>>) -> Self {
        self.files.check = check;
        self
    }

    pub(crate) fn at_pace(mut self, pace: Option<Pace<R>>) -> Self {
        self.files.pace = pace;
        self
    }

    pub(crate) fn rows(&mut self, from: Option<&Position>) -> Result<ArchiveRows<R>> {
        let mark = from.map(|from| decode_mark::<Mark>(from, &self.files.pattern)).transpose()?;
        let catalog = Catalog::read::<R>(self.files.paths()?, self.columns.clone())?;
        let fingerprint = fingerprint(&catalog);
        if mark.as_ref().is_some_and(|mark| mark.files != fingerprint) {
            let pattern = &self.files.pattern;
            let what = format!("the files of `{pattern}` are not those the job was reading");
            return Err(JobError::configuration(what).hint(
                "put the same files back, or start over with --fresh; give new files a run of \
                 their own",
            ));
        }
        let after = mark.and_then(|mark| mark.after);
        let time_field = self.columns.time_field.clone();
        let place = SpillPlace { dir: self.spill_dir.clone(), time_field };
        let merge = Merge::new(catalog, place, self.memory_bytes, after);
        let record = PhantomData;
        Ok(ArchiveRows {
            merge,
            files: fingerprint,
            after,
            check: self.files.check,
            bytes: 0,
            record,
        })
    }
}

impl<R: Data> Source for ParquetSource<R> {
    type Record = R;

    fn partitions(&mut self) -> Result<Vec<Partition>> {
        // A glob that names nothing is an error before anything is opened.
        self.files.paths()?;
        Ok(vec![Partition { index: 0, name: self.files.pattern.clone() }])
    }

    fn open(
        &mut self,
        _partition: &Partition,
        from: Option<&Position>,
    ) -> Result<Box<dyn Reader<Record = R>>> {
        let rows = self.rows(from)?;
        Ok(reader(rows, self.files.pace.clone()))
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn identity(&self) -> String {
        self.files.identity()
    }
}

/// Where reading goes on in an archive.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    /// Names, lengths and footers of its files, as a number.
    files: u64,
    /// The place of the row taken last.
    after: Option<Key>,
}

/// What tells an archive from another of the same names.
fn fingerprint(catalog: &Catalog) -> u64 {
    fnv(catalog.files.iter().flat_map(|file| {
        let name = file.path.as_os_str().as_bytes().iter().copied();
        name.chain([0]).chain(file.length.to_le_bytes()).chain(file.footer.to_le_bytes())
    }))
}

/// The rows of an archive as records.
pub(crate) struct ArchiveRows<R> {
    pub(crate) merge: Merge,
    files: u64,
    after: Option<Key>,
    check: Option<Check<R>>,
    bytes: u64,
    record: PhantomData<fn() -> R>,
}

impl<R: Data> ArchiveRows<R> {
    /// The next row's record, or why it is none.
    fn take(&self) -> Option<std::result::Result<R, (Misfit, Vec<u8>)>> {
        let (block, row) = self.merge.next_row()?;
        let decoded = block.rows.decode::<R>(row);
        let decoded = decoded.and_then(|record| checked(record, self.check).map_err(Misfit::Row));
        Some(decoded.map_err(|misfit| (misfit, block.rows.to_json(row))))
    }

    fn reject(&self, (_, origin): Key, rejection: &Rejection, raw: &[u8]) -> Reject {
        let file = &self.merge.catalog.files[(origin >> 32) as usize];
        let row = origin as u32;
        let error = format!("{}:{row}: {}", file.path.display(), rejection.error);
        Reject { position: origin, reason: rejection.reason, error, raw: shortened(raw) }
    }
}

impl<R: Data> Pull for ArchiveRows<R> {
    type Record = R;

    fn pull(&mut self) -> Result<Pulled<R>> {
        let Some(key) = self.merge.next_key()? else { return Ok(Pulled::End) };
        let Some(taken) = self.take() else { return Ok(Pulled::End) };
        let pulled = match taken {
            Ok(record) => Pulled::Record(key.1, record),
            Err((Misfit::Row(rejection), raw)) => {
                Pulled::Reject(self.reject(key, &rejection, &raw))
            }
            Err((misfit, _)) => {
                return Err(self.merge.catalog.misfit((key.1 >> 32) as u16, misfit));
            }
        };
        if let Some((block, _)) = self.merge.next_row() {
            self.bytes += (block.bytes / block.times.len().max(1)) as u64;
        }
        self.after = Some(key);
        self.merge.advance()?;
        Ok(pulled)
    }

    fn position(&self) -> Result<Position> {
        encode_mark(&Mark { files: self.files, after: self.after })
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}
