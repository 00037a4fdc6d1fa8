//! The sizes that a column's pages claim, looked at before any page is read: the reader sets aside
//! as much memory as a page says it needs.

use super::file::{guarded, refused};
use crate::source::cannot_read;
use parquet::arrow::ProjectionMask;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use waystream_engine::error::Result;

/// The largest page that is read; writers make pages of about 1 MiB.
pub(crate) const MAX_PAGE_BYTES: u64 = 256 << 20;

/// Structs within structs that a page header may have.
const MOST_LEVELS: u8 = 8;

/// Refuses a file whose columns have a page over the limit. Headers that cannot be understood are
/// passed over: reading them will say what is wrong.
pub(crate) fn check_pages(
    path: &Path,
    file: &File,
    metadata: &ParquetMetaData,
    mask: &ProjectionMask,
) -> Result<()> {
    for (number, group) in metadata.row_groups().iter().enumerate() {
        let wanted = |(leaf, _): &(usize, _)| mask.leaf_included(*leaf);
        for (_, column) in group.columns().iter().enumerate().filter(wanted) {
            let most = largest(file, column).map_err(|error| cannot_read(path, error))?;
            if most > MAX_PAGE_BYTES {
                let wrong = format!(
                    "column `{}` has a page of {most} bytes in row group {number}, the limit is \
                     {MAX_PAGE_BYTES}",
                    column.column_path().string(),
                );
                return Err(refused(path, &wrong)
                    .hint("if the file is sound, write it again with pages of about 1 MiB"));
            }
        }
    }
    Ok(())
}

/// The most bytes that a page of the column claims, packed or unpacked.
fn largest(file: &File, column: &ColumnChunkMetaData) -> io::Result<u64> {
    // A damaged footer may have negative numbers, at which the library panics.
    let range = guarded(|| Ok::<_, ParquetError>(column.byte_range()));
    let Ok((mut at, length)) = range else { return Ok(0) };
    let end = at.saturating_add(length);
    let mut most = 0;
    while at < end {
        let mut file = file;
        file.seek(SeekFrom::Start(at))?;
        let mut header = Header { bytes: BufReader::with_capacity(512, file), read: 0 };
        let Some(page) = header.sizes() else { break };
        most = most.max(page.unpacked).max(page.packed);
        at += header.read + page.packed;
    }
    Ok(most)
}

struct Sizes {
    unpacked: u64,
    packed: u64,
}

/// A page header: a struct in Thrift's compact form, of which fields 2 and 3 are the sizes.
struct Header<R> {
    bytes: R,
    read: u64,
}

impl<R: Read> Header<R> {
    fn sizes(&mut self) -> Option<Sizes> {
        let (mut unpacked, mut packed, mut id) = (None, None, 0);
        while let Some((next, kind)) = self.field(id)? {
            id = next;
            match (id, kind) {
                (2, 5) => unpacked = Some(self.size()?),
                (3, 5) => packed = Some(self.size()?),
                _ => self.skip(kind, MOST_LEVELS)?,
            }
        }
        Some(Sizes { unpacked: unpacked?, packed: packed? })
    }

    /// The next field's number and kind; `Some(None)` at the end of the struct.
    fn field(&mut self, last: i64) -> Option<Option<(i64, u8)>> {
        let byte = self.byte()?;
        match (byte >> 4, byte & 0x0f) {
            (_, 0) => Some(None),
            (0, kind) => Some(Some((unfold(self.varint()?), kind))),
            (step, kind) => Some(Some((last + i64::from(step), kind))),
        }
    }

    fn skip(&mut self, kind: u8, levels: u8) -> Option<()> {
        match kind {
            // Booleans are told by the kind alone.
            1 | 2 => Some(()),
            3 => self.pass(1),
            4..=6 => self.varint().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.varint()?;
                self.pass(length)
            }
            12 if levels > 0 => {
                let mut id = 0;
                while let Some((next, kind)) = self.field(id)? {
                    id = next;
                    self.skip(kind, levels - 1)?;
                }
                Some(())
            }
            // No page header has lists or maps.
            _ => None,
        }
    }

    fn size(&mut self) -> Option<u64> {
        u64::try_from(unfold(self.varint()?)).ok()
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.bytes.read_exact(&mut byte).ok()?;
        self.read += 1;
        Some(byte[0])
    }

    fn pass(&mut self, length: u64) -> Option<()> {
        let passed = io::copy(&mut self.bytes.by_ref().take(length), &mut io::sink()).ok()?;
        self.read += passed;
        (passed == length).then_some(())
    }
}

/// A signed number from its zigzag form.
fn unfold(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
