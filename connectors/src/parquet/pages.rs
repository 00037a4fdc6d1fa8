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

/// Levels of structs and collections that a field may have which nobody knows; the library has no more.
const MOST_LEVELS: u8 = 64;

/// Kinds of fields in Thrift's compact form.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I32: u8 = 5;
const STRUCT: u8 = 12;

/// Refuses a file whose columns have a page over the limit, or one whose header cannot be understood:
/// the library may understand it, and what follows it.
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
            if let Some((wrong, hint)) = wrong {
                let name = column.column_path().string();
                let wrong = format!("column `{name}` in row group {number} has a page {wrong}");
                return Err(refused(path, &wrong).hint(hint));
            }
        }
    }
    Ok(())
}

/// What is wrong with the first page of the column that cannot be taken, and the next step.
fn wrong_page(
    file: &File,
    column: &ColumnChunkMetaData,
) -> io::Result<Option<(String, &'static str)>> {
    let smaller = "if the file is sound, write it again with pages of about 1 MiB";
    // A damaged footer may have negative numbers, at which the library panics.
    let range = guarded(|| Ok::<_, ParquetError>(column.byte_range()));
    let Ok((mut at, length)) = range else { return Ok(None) };
    let end = at.saturating_add(length);
    while at < end {
        let mut file = file;
        file.seek(SeekFrom::Start(at))?;
        let mut header = Header { bytes: BufReader::with_capacity(512, file), read: 0 };
        let page = match header.page() {
            Err(error) if is_misunderstood(&error) => {
                let hint = "restore the file from a copy, or write it again with another writer";
                return Ok(Some(("header that is not understood".to_owned(), hint)));
            }
            page => page?,
        };
        let bytes = page.unpacked.max(page.packed);
        if bytes > MAX_PAGE_BYTES {
            let wrong = format!("of {bytes} bytes, the limit is {MAX_PAGE_BYTES}");
            return Ok(Some((wrong, smaller)));
        }
        at = at.saturating_add(header.read);
        let codec = column.compression();
        if page.may_burst(codec) {
            file.seek(SeekFrom::Start(at.saturating_add(page.levels)))?;
            let packed = file.take(page.packed.saturating_sub(page.levels));
            let claimed = page.unpacked.saturating_sub(page.levels);
            // A decompressor that panics here does so too when the page is read.
            let beyond = guarded(|| {
                Ok::<_, ParquetError>(unpacks_beyond(codec, BufReader::new(packed), claimed))
            });
            if beyond.unwrap_or(false) {
                let claimed = page.unpacked;
                let wrong = format!("that unpacks to more than the {claimed} bytes it claims");
                return Ok(Some((wrong, smaller)));
            }
        }
        at = at.saturating_add(page.packed);
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

/// A page header that is not as the library reads it.
fn misunderstood() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

fn is_misunderstood(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// A page header: a struct in Thrift's compact form, of which fields 2 and 3 are the sizes, and 8 is
/// there in a page of version 2. Of a field that is there twice the last counts, as in the library,
/// which goes by a field's number alone; one of another kind than it takes is misunderstood.
struct Header<R> {
    bytes: R,
    read: u64,
}

impl<R: Read> Header<R> {
    fn page(&mut self) -> io::Result<Page> {
        let (mut unpacked, mut packed, mut id) = (None, None, 0);
        let (mut levels, mut is_packed) = (0, true);
        while let Some((next, kind)) = self.field(id)? {
            id = next;
            match (id, kind) {
                (1 | 4, I32) => self.skip(kind, MOST_LEVELS)?,
                (2, I32) => unpacked = Some(self.size(kind)?),
                (3, I32) => packed = Some(self.size(kind)?),
                (6, STRUCT) => self.skip(kind, MOST_LEVELS)?,
                (5, STRUCT) => drop(self.inner(4, false)?),
                (7, STRUCT) => drop(self.inner(2, true)?),
                (8, STRUCT) => {
                    let ([.., definition, repetition], flag) = self.inner(6, true)?;
                    (levels, is_packed) = (definition + repetition, flag);
                }
                (1..=8, _) => return Err(misunderstood()),
                _ => self.skip(kind, MOST_LEVELS)?,
            }
        }
        let (Some(unpacked), Some(packed)) = (unpacked, packed) else {
            return Err(misunderstood());
        };
        Ok(Page { unpacked, packed, levels, is_packed })
    }

    /// The header of one kind of page: numbers in the fields from 1 to this one and, if it has a
    /// flag, that in the next.
    fn inner(&mut self, numbers: u8, has_flag: bool) -> io::Result<([u64; 6], bool)> {
        let (mut values, mut flag, mut id) = ([0; 6], true, 0);
        while let Some((next, kind)) = self.field(id)? {
            id = next;
            match u8::try_from(id) {
                Ok(id @ 1..) if id <= numbers => values[usize::from(id) - 1] = self.size(kind)?,
                Ok(id) if has_flag && id == numbers + 1 => match kind {
                    TRUE | FALSE => flag = kind == TRUE,
                    _ => return Err(misunderstood()),
                },
                _ => self.skip(kind, MOST_LEVELS)?,
            }
        }
        Ok((values, flag))
    }

    /// The next field's number and kind; `None` at the end of the struct.
    fn field(&mut self, last: i16) -> io::Result<Option<(i16, u8)>> {
        let byte = self.byte()?;
        let (step, kind) = (byte >> 4, byte & 0x0f);
        let id = match (step, kind) {
            (_, 0) => return Ok(None),
            // Cut to its width, as the library does.
            (0, _) => unfold(self.varint()?) as i16,
            _ => last.checked_add(i16::from(step)).ok_or_else(misunderstood)?,
        };
        Ok(Some((id, kind)))
    }

    fn skip(&mut self, kind: u8, levels: u8) -> io::Result<()> {
        let Some(inner) = levels.checked_sub(1) else { return Err(misunderstood()) };
        match kind {
            // Told by the kind alone.
            TRUE | FALSE => Ok(()),
            3 => self.pass(1),
            4..=6 => self.varint().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.varint()?;
                self.pass(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.varint()?,
                    count => u64::from(count),
                };
                self.elements(count, &[head & 0x0f], inner)
            }
            11 => match self.varint()? {
                0 => Ok(()),
                count => {
                    let kinds = self.byte()?;
                    self.elements(count, &[kinds >> 4, kinds & 0x0f], inner)
                }
            },
            STRUCT => {
                while let Some((_, kind)) = self.field(0)? {
                    self.skip(kind, inner)?;
                }
                Ok(())
            }
            13 => self.pass(16),
            _ => Err(misunderstood()),
        }
    }

    /// Skips so many elements, each of values of these kinds.
    fn elements(&mut self, count: u64, kinds: &[u8], levels: u8) -> io::Result<()> {
        for _ in 0..count {
            for kind in kinds {
                // The library takes no bytes for such an element and other readers take one.
                if matches!(*kind, TRUE | FALSE) {
                    return Err(misunderstood());
                }
                self.skip(*kind, levels)?;
            }
        }
        Ok(())
    }

    /// A number of 32 bits, cut to its width as the library does, which is not negative.
    fn size(&mut self, kind: u8) -> io::Result<u64> {
        if kind != I32 {
            return Err(misunderstood());
        }
        u64::try_from(unfold(self.varint()?) as i32).map_err(|_| misunderstood())
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(misunderstood())
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.bytes.read_exact(&mut byte)?;
        self.read += 1;
        Ok(byte[0])
    }

    fn pass(&mut self, length: u64) -> io::Result<()> {
        let passed = io::copy(&mut self.bytes.by_ref().take(length), &mut io::sink())?;
        self.read += passed;
        if passed == length { Ok(()) } else { Err(misunderstood()) }
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

    /// The sizes, the bytes of levels, and whether the rest is packed, as a header says.
    fn page_of(header: &[u8]) -> Option<(u64, u64, u64, bool)> {
        let page = Header { bytes: header, read: 0 }.page().ok()?;
        Some((page.unpacked, page.packed, page.levels, page.is_packed))
    }

    /// A field by its full number, with a number in it.
    fn number(kind: u8, id: i64, value: i64) -> Vec<u8> {
        let varint = |value: i64| {
            let mut rest = ((value << 1) ^ (value >> 63)) as u64;
            let mut bytes = Vec::new();
            while rest > 0x7f {
                bytes.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
            bytes
        };
        [vec![kind], varint(id), varint(value)].concat()
    }

    /// A header of pages of 5 and 4 bytes, with these fields behind.
    fn with(fields: &[u8]) -> Vec<u8> {
        [&number(5, 1, 0), &number(5, 2, 5), &number(5, 3, 4), fields, &[0]].concat()
    }

    #[test]
    fn the_last_of_a_repeated_field_counts() {
        assert_eq!(page_of(&with(&[])), Some((5, 4, 0, true)));
        assert_eq!(page_of(&with(&number(5, 2, 9))), Some((9, 4, 0, true)));
        let levels = [number(5, 5, 7), number(5, 6, 2), number(5, 5, 1)].concat();
        let version_2 = |fields: &[u8]| with(&[&[0x0c, 16], fields, &[0]].concat());
        assert_eq!(page_of(&version_2(&levels)), Some((5, 4, 3, true)));
        assert_eq!(page_of(&version_2(&[0x02, 14])), Some((5, 4, 0, false)));
        assert_eq!(page_of(&version_2(&[0x02, 14, 0x01, 14])), Some((5, 4, 0, true)));
    }

    #[test]
    fn numbers_are_as_wide_as_the_library_has_them() {
        assert_eq!(page_of(&with(&number(5, 2, (1 << 32) + 9))), Some((9, 4, 0, true)));
        assert_eq!(page_of(&with(&number(5, 65_538, 9))), Some((9, 4, 0, true)));
        assert_eq!(page_of(&with(&number(5, 2, 1 << 31))), None);
        assert_eq!(page_of(&with(&number(5, 2, -1))), None);
        let long = [&[0x0c, 16][..], &number(5, 5, i64::MAX).repeat(3), &[0]].concat();
        assert_eq!(page_of(&with(&long)), None);
        let beyond = |id| with(&[&number(5, id, 0)[..], &[0x15, 0]].concat());
        assert_eq!(page_of(&beyond(i64::from(i16::MAX))), None);
        assert_eq!(page_of(&beyond(i64::MAX)), Some((5, 4, 0, true)));
    }

    #[test]
    fn a_field_that_is_known_has_its_kind() {
        for fields in [
            [number(8, 2, 0), vec![0; 8]].concat(),
            vec![0x0c, 10, 0x18, 0, 0],
            vec![0x08, 12, 0],
            vec![0x0c, 14, 0x15, 0, 0x15, 0, 0x15, 0, 0],
            vec![0x0c, 16, 0x75, 0, 0],
        ] {
            assert_eq!(page_of(&with(&fields)), None, "{fields:x?}");
        }
    }

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
