//! The sizes of a column's pages, looked at before any page is read: the library sets aside as much
//! memory as a page claims to need, and with some codecs as much as it unpacks to, whatever it claims.

use super::file::{guarded, refused};
use crate::source::cannot_read;
use flate2::read::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;
use parquet::arrow::ProjectionMask;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use waystream_engine::error::Result;

/// The largest page that is read; writers make pages of about 1 MiB.
pub(crate) const MAX_PAGE_BYTES: u64 = 256 << 20;

/// Bytes unpacked at once when a page is only measured.
const UNPACKED_AT_ONCE: usize = 64 * 1024;

/// Structs within structs that a page header may have.
const MOST_LEVELS: u8 = 8;

/// Refuses a file whose columns have a page over the limit. What cannot be understood is passed over:
/// reading it will say what is wrong.
pub(crate) fn check_pages(
    path: &Path,
    file: &File,
    metadata: &ParquetMetaData,
    mask: &ProjectionMask,
) -> Result<()> {
    for (number, group) in metadata.row_groups().iter().enumerate() {
        let wanted = |(leaf, _): &(usize, _)| mask.leaf_included(*leaf);
        for (_, column) in group.columns().iter().enumerate().filter(wanted) {
            let wrong = wrong_page(file, column).map_err(|error| cannot_read(path, error))?;
            if let Some(wrong) = wrong {
                let name = column.column_path().string();
                let wrong = format!("column `{name}` in row group {number} has a page {wrong}");
                return Err(refused(path, &wrong)
                    .hint("if the file is sound, write it again with pages of about 1 MiB"));
            }
        }
    }
    Ok(())
}

/// What is wrong with the first page of the column that cannot be taken.
fn wrong_page(file: &File, column: &ColumnChunkMetaData) -> io::Result<Option<String>> {
    // A damaged footer may have negative numbers, at which the library panics.
    let range = guarded(|| Ok::<_, ParquetError>(column.byte_range()));
    let Ok((mut at, length)) = range else { return Ok(None) };
    let end = at.saturating_add(length);
    while at < end {
        let mut file = file;
        file.seek(SeekFrom::Start(at))?;
        let mut header = Header { bytes: BufReader::with_capacity(512, file), read: 0 };
        let Some(page) = header.page() else { break };
        let bytes = page.unpacked.max(page.packed);
        if bytes > MAX_PAGE_BYTES {
            return Ok(Some(format!("of {bytes} bytes, the limit is {MAX_PAGE_BYTES}")));
        }
        at += header.read;
        if page.may_burst(column.compression()) {
            file.seek(SeekFrom::Start(at + page.levels))?;
            let packed = file.take(page.packed.saturating_sub(page.levels));
            let claimed = page.unpacked.saturating_sub(page.levels);
            if unpacks_beyond(column.compression(), BufReader::new(packed), claimed) {
                let claimed = page.unpacked;
                return Ok(Some(format!(
                    "that unpacks to more than the {claimed} bytes it claims"
                )));
            }
        }
        at += page.packed;
    }
    Ok(None)
}

/// Unpacks, and keeps nothing, until it is done or there is more than claimed.
fn unpacks_beyond(codec: Compression, packed: impl Read, claimed: u64) -> bool {
    let mut unpacked: Box<dyn Read + '_> = match codec {
        Compression::GZIP(_) => Box::new(MultiGzDecoder::new(packed)),
        Compression::LZ4 => Box::new(FrameDecoder::new(packed)),
        _ => Box::new(brotli::Decompressor::new(packed, UNPACKED_AT_ONCE)),
    };
    let limit = claimed.saturating_add(1);
    io::copy(&mut unpacked.by_ref().take(limit), &mut io::sink()).is_ok_and(|bytes| bytes == limit)
}

struct Page {
    unpacked: u64,
    packed: u64,
    /// Bytes in front of a page of version 2 that are never packed.
    levels: u64,
    is_packed: bool,
}

impl Page {
    /// Whether it can unpack to more than the limit: other codecs than these are unpacked into as much
    /// room as the page claims.
    fn may_burst(&self, codec: Compression) -> bool {
        // The most that one byte can become: by deflate's format 1032, by LZ4's 255.
        let most = match codec {
            Compression::GZIP(_) => 1032,
            Compression::LZ4 => 255,
            Compression::BROTLI(_) => u64::MAX,
            _ => 0,
        };
        let holds_values = self.is_packed && self.unpacked > self.levels;
        holds_values && self.packed.saturating_mul(most) > MAX_PAGE_BYTES
    }
}

/// A page header: a struct in Thrift's compact form, of which fields 2 and 3 are the sizes, and 8 is
/// there in a page of version 2.
struct Header<R> {
    bytes: R,
    read: u64,
}

impl<R: Read> Header<R> {
    fn page(&mut self) -> Option<Page> {
        let (mut unpacked, mut packed, mut id) = (None, None, 0);
        let (mut levels, mut is_packed) = (0, true);
        while let Some((next, kind)) = self.field(id)? {
            id = next;
            match (id, kind) {
                (2, 5) => unpacked = Some(self.size()?),
                (3, 5) => packed = Some(self.size()?),
                (8, 12) => (levels, is_packed) = self.version_2()?,
                _ => self.skip(kind, MOST_LEVELS)?,
            }
        }
        Some(Page { unpacked: unpacked?, packed: packed?, levels, is_packed })
    }

    /// The bytes of both kinds of levels, and whether what follows them is packed.
    fn version_2(&mut self) -> Option<(u64, bool)> {
        let (mut levels, mut is_packed, mut id) = (0, true, 0);
        while let Some((next, kind)) = self.field(id)? {
            id = next;
            match (id, kind) {
                (5 | 6, 5) => levels += self.size()?,
                (7, 2) => is_packed = false,
                _ => self.skip(kind, MOST_LEVELS)?,
            }
        }
        Some((levels, is_packed))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_unpacks_to_more_is_told_by_each_codec() {
        let zeros = vec![0; 1 << 20];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&zeros).unwrap();
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(&zeros).unwrap();
        let mut brotli = brotli::CompressorWriter::new(Vec::new(), 4096, 1, 22);
        brotli.write_all(&zeros).unwrap();
        for (codec, packed) in [
            (Compression::GZIP(Default::default()), gzip.finish().unwrap()),
            (Compression::LZ4, lz4.finish().unwrap()),
            (Compression::BROTLI(Default::default()), brotli.into_inner()),
        ] {
            assert!(!unpacks_beyond(codec, &*packed, 1 << 20), "{codec}");
            assert!(unpacks_beyond(codec, &*packed, (1 << 20) - 1), "{codec}");
            assert!(!unpacks_beyond(codec, &b"no such thing"[..], 1), "{codec}");
        }
    }
}
