//! The file of one epoch and worker: changed state by operator, in key-group order, and the rows
//! its sinks staged. Every block has a checksum; the footer says where each key group starts.
//!
//! ```text
//! magic "WSSEG001" · block… · footer (postcard) · footer length u32 · footer crc32 u32 · magic
//! block = the entries of one section, or the staged rows of one sink
//! entry = key length u32 · value length + 1 u32 (0 = removed) · key · value       (little endian)
//! ```

use super::manifest::{SegmentRef, StagedRef};
use crate::buffer::Buffer;
use crate::dataflow::{Part, Staged};
use crate::error::{JobError, Result};
use crate::sabotage::{Sabotage, planted};
use crate::state::{Entries, Entry};
use crate::time::Epoch;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use xxhash_rust::xxh3::Xxh3;

const MAGIC: &[u8; 8] = b"WSSEG001";
/// What the magic of every version begins with.
const FAMILY: &[u8] = b"WSSEG";
const TRAILER: usize = 4 + 4 + 8;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Footer {
    sections: Vec<Section>,
    staged: Vec<StagedBlock>,
}

/// State of one operator. `groups` holds, per key group that occurs, where its entries start.
#[derive(Debug, Serialize, Deserialize)]
struct Section {
    name: String,
    start: u64,
    length: u64,
    crc: u32,
    groups: Vec<(u16, u64)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StagedBlock {
    sink: String,
    start: u64,
    length: u64,
    crc: u32,
    rows: u64,
}

/// Builds the bytes of a segment.
#[derive(Debug)]
pub struct SegmentWriter {
    buffers: Vec<Buffer>,
    length: u64,
    footer: Footer,
}

/// A whole segment, and what a manifest says of it.
#[derive(Debug)]
pub struct SegmentBytes {
    buffers: Vec<Buffer>,
    /// How many bytes it has.
    pub length: u64,
    /// See [`file_hash`].
    pub hash: String,
}

impl Default for SegmentWriter {
    fn default() -> Self {
        let mut writer = Self { buffers: Vec::new(), length: 0, footer: Footer::default() };
        writer.append([MAGIC.as_slice()]);
        writer
    }
}

impl SegmentWriter {
    /// The segment of one epoch: the parts of all stages of a worker. Sinks are named by `sinks`.
    #[must_use]
    pub(crate) fn of_parts(parts: Vec<Part>, sinks: &[String]) -> Self {
        let mut writer = Self::default();
        let mut staged: BTreeMap<u32, Staged> = BTreeMap::new();
        for part in parts {
            writer.section(&part.section, &part.entries);
            for (sink, mut rows) in part.staged {
                let all = staged.entry(sink).or_default();
                all.rows += rows.rows;
                all.buffers.append(&mut rows.buffers);
            }
        }
        for (sink, rows) in staged.into_iter().filter(|(_, rows)| rows.rows > 0) {
            writer.staged(&sinks[sink as usize], rows);
        }
        writer
    }

    /// Adds the changed state of one operator.
    pub fn section(&mut self, name: &str, entries: &Entries) {
        if entries.is_empty() {
            return;
        }
        let (start, mut block) = (self.length, Vec::new());
        let mut groups: Vec<(u16, u64)> = Vec::new();
        for entry in entries.by_group() {
            if groups.last().is_none_or(|(group, _)| *group != entry.group) {
                groups.push((entry.group, self.length - start));
            }
            let value = entry.value.unwrap_or_default();
            let value_length = entry.value.map_or(0, |value| value.len() as u32 + 1);
            let buffer = Buffer::open(&mut block);
            buffer.extend_from_slice(&(entry.key.len() as u32).to_le_bytes());
            buffer.extend_from_slice(&value_length.to_le_bytes());
            buffer.extend_from_slice(entry.key);
            buffer.extend_from_slice(value);
            self.length += (8 + entry.key.len() + value.len()) as u64;
        }
        let (length, crc) = (self.length - start, crc(&block));
        self.buffers.append(&mut block);
        self.footer.sections.push(Section { name: name.to_owned(), start, length, crc, groups });
    }

    fn staged(&mut self, sink: &str, Staged { mut buffers, rows }: Staged) {
        let (start, crc) = (self.length, crc(&buffers));
        let length = buffers.iter().map(|buffer| buffer.len() as u64).sum();
        self.length += length;
        self.buffers.append(&mut buffers);
        self.footer.staged.push(StagedBlock { sink: sink.to_owned(), start, length, crc, rows });
    }

    fn append<'a>(&mut self, parts: impl IntoIterator<Item = &'a [u8]>) {
        let buffer = Buffer::open(&mut self.buffers);
        for part in parts {
            buffer.extend_from_slice(part);
            self.length += part.len() as u64;
        }
    }

    /// The rows in here, by sink, as a manifest refers to them.
    #[must_use]
    pub fn staged_refs(&self, segment: &str, epoch: Epoch) -> Vec<StagedRef> {
        let refs = self.footer.staged.iter().map(|block| StagedRef {
            sink: block.sink.clone(),
            epoch,
            rows: block.rows,
            segment: segment.to_owned(),
            start: block.start,
            length: block.length,
            crc: block.crc,
        });
        refs.collect()
    }

    /// Whether there is any state in here.
    #[must_use]
    pub fn has_state(&self) -> bool {
        !self.footer.sections.is_empty()
    }

    /// The finished file.
    ///
    /// # Errors
    /// If the footer cannot be encoded.
    pub fn finish(mut self) -> Result<SegmentBytes> {
        let footer = postcard::to_stdvec(&self.footer).map_err(|error| {
            JobError::checkpoint("cannot encode the footer of a segment")
                .hint("this is a bug of the engine: report it")
                .caused_by(error)
        })?;
        let length = (footer.len() as u32).to_le_bytes();
        let crc = crc32fast::hash(&footer).to_le_bytes();
        self.append([footer.as_slice(), &length, &crc, MAGIC]);
        let hash = hash_of(self.buffers.iter().map(|buffer| buffer.as_slice()));
        Ok(SegmentBytes { buffers: self.buffers, length: self.length, hash })
    }
}

impl SegmentBytes {
    /// What a manifest says of this file under a name.
    #[must_use]
    pub fn named(self, name: String, epoch: Epoch, tier: u8) -> SegmentRef {
        SegmentRef { name, length: self.length, hash: self.hash, epoch, tier }
    }

    /// The parts of the file, in order.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.buffers.iter().map(|buffer| buffer.as_slice())
    }
}

fn crc(buffers: &[Buffer]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    buffers.iter().for_each(|buffer| crc.update(buffer));
    crc.finalize()
}

/// The hash by which a manifest knows a file: XXH3-128 of its bytes, in hexadecimal.
#[must_use]
pub fn file_hash(bytes: &[u8]) -> String {
    hash_of([bytes])
}

fn hash_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Xxh3::new();
    parts.into_iter().for_each(|part| hash.update(part));
    format!("{:032x}", hash.digest128())
}

/// A segment read back, whole and verified.
#[derive(Debug)]
pub struct Segment {
    bytes: Vec<u8>,
    footer: Footer,
}

impl Segment {
    /// Parses a file and verifies every block. Accepts any bytes: what is not a segment is an error.
    ///
    /// # Errors
    /// Says what is wrong, without the file's name.
    pub fn parse(bytes: Vec<u8>) -> Result<Self> {
        let bad = |what: &str| JobError::checkpoint(format!("not a sound segment: {what}"));
        let end = bytes.len().checked_sub(TRAILER).ok_or_else(|| bad("too short"))?;
        let magic = bytes.get(..MAGIC.len()).unwrap_or_default();
        if magic != MAGIC && magic.starts_with(FAMILY) && bytes.ends_with(magic) {
            return Err(bad("of a version this program does not know"));
        }
        if magic != MAGIC || !bytes.ends_with(MAGIC) {
            return Err(bad("wrong magic, or cut off"));
        }
        let footer_length = number(&bytes[end..end + 4]) as usize;
        let start = end.checked_sub(footer_length).ok_or_else(|| bad("footer length"))?;
        if crc32fast::hash(&bytes[start..end]) != number(&bytes[end + 4..end + 8]) {
            return Err(bad("footer checksum"));
        }
        let footer: Footer = postcard::from_bytes(&bytes[start..end])
            .map_err(|error| bad("footer").caused_by(error))?;
        let blocks = footer.sections.iter().map(|s| (s.start, s.length, s.crc));
        let staged = footer.staged.iter().map(|s| (s.start, s.length, s.crc));
        for (from, length, crc) in blocks.chain(staged) {
            let block = range(from, length).and_then(|range| bytes[..start].get(range));
            let block = block.ok_or_else(|| bad("a block lies outside the file"))?;
            if crc32fast::hash(block) != crc && !planted(Sabotage::ChecksumsIgnored) {
                return Err(bad("block checksum"));
            }
        }
        Ok(Self { bytes, footer })
    }

    /// Whether these rows are in here, where the manifest says.
    #[must_use]
    pub fn holds(&self, staged: &StagedRef) -> bool {
        self.footer.staged.iter().any(|block| {
            (block.sink == staged.sink && block.rows == staged.rows)
                && (block.start, block.length, block.crc)
                    == (staged.start, staged.length, staged.crc)
        })
    }

    /// Names of the operators and sources with state in here.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.footer.sections.iter().map(|section| section.name.as_str())
    }

    /// The entries of one operator whose key groups lie in `groups`, in order.
    ///
    /// # Errors
    /// If the block is not made of whole entries.
    pub fn entries(&self, name: &str, groups: Range<u16>) -> Result<Vec<Entry<'_>>> {
        let mut entries = Vec::new();
        for section in self.footer.sections.iter().filter(|section| section.name == name) {
            let block = &self.bytes[section.start as usize..][..section.length as usize];
            for (i, (group, start)) in section.groups.iter().enumerate() {
                if !groups.contains(group) {
                    continue;
                }
                let end = section.groups.get(i + 1).map_or(section.length, |(_, start)| *start);
                let run = range(*start, end.saturating_sub(*start)).and_then(|run| block.get(run));
                read_entries(*group, run, &mut entries)?;
            }
        }
        Ok(entries)
    }
}

fn read_entries<'a>(group: u16, run: Option<&'a [u8]>, out: &mut Vec<Entry<'a>>) -> Result<()> {
    let bad = || JobError::checkpoint("not a sound segment: an entry is cut off");
    let mut rest = run.ok_or_else(bad)?;
    while !rest.is_empty() {
        let (head, body) = rest.split_at_checked(8).ok_or_else(bad)?;
        let (key_length, value_length) = (number(&head[..4]) as usize, number(&head[4..]));
        let (key, body) = body.split_at_checked(key_length).ok_or_else(bad)?;
        let (value, body) = match value_length.checked_sub(1) {
            None => (None, body),
            Some(length) => {
                let (value, body) = body.split_at_checked(length as usize).ok_or_else(bad)?;
                (Some(value), body)
            }
        };
        out.push(Entry { group, key, value });
        rest = body;
    }
    Ok(())
}

fn range(start: u64, length: u64) -> Option<Range<usize>> {
    let start = usize::try_from(start).ok()?;
    Some(start..start.checked_add(usize::try_from(length).ok()?)?)
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests;
