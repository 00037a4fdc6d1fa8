//! Lines of a file, found in big blocks and lent from there, each with its number and offset.

use crate::format::MAX_RECORD_BYTES;
use memchr::memchr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

/// Bytes read at once.
const BLOCK_BYTES: usize = 256 * 1024;
/// Bytes of an overlong line that are kept.
const KEPT_BYTES: usize = 16 * 1024;

/// A line without its line feed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// The beginning of a line over the limit, and how long it is.
    TooLong(Vec<u8>, u64),
}

/// Reads lines; holds one block, or as much as the longest line that is taken.
pub(crate) struct Lines {
    file: File,
    /// Its length when it was opened; it may grow.
    length: u64,
    buffer: Vec<u8>,
    /// What is in the buffer and not yet lent.
    unread: Range<usize>,
    /// Offset in the file of the first unread byte.
    offset: u64,
    /// Number of the line lent last, from 1.
    line: u64,
    at_end: bool,
}

impl Lines {
    /// Starts at an offset where a line begins, after `line` lines.
    pub(crate) fn new(mut file: File, offset: u64, line: u64) -> io::Result<Self> {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(offset))?;
        let buffer = vec![0; BLOCK_BYTES];
        let mut lines = Self { file, length, buffer, unread: 0..0, offset, line, at_end: false };
        if offset == 0 {
            lines.skip_mark()?;
        }
        Ok(lines)
    }

    /// Number of the line lent last, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// Offset of the next line.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next line, whether or not a line feed ends the last one.
    #[inline]
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let line = self.peek(0)?;
        let (length, feed) = (line.len(), usize::from(line.ends_with(b"\n")));
        if feed == 0 && length > MAX_RECORD_BYTES {
            return self.skip_long().map(Some);
        }
        Ok((length > 0).then(|| Line::Whole(&self.skip(length, 1)[..length - feed])))
    }

    /// The unread bytes up to the first line feed behind so many that are known, and with it. They
    /// end without one where the file does, or when they are more than a record may have.
    #[inline]
    pub(crate) fn peek(&mut self, known: usize) -> io::Result<&[u8]> {
        let mut seen = known;
        let length = loop {
            let unread = &self.buffer[self.unread.clone()];
            if let Some(at) = memchr(b'\n', &unread[seen..]) {
                break seen + at + 1;
            }
            seen = unread.len();
            // One more may be a carriage return that ends the line with its line feed.
            if self.at_end || seen > MAX_RECORD_BYTES + 1 {
                break seen;
            }
            self.fill()?;
        };
        Ok(&self.buffer[self.unread.start..self.unread.start + length])
    }

    /// Passes bytes that were peeked at, which are so many lines, and lends them.
    #[inline]
    pub(crate) fn skip(&mut self, length: usize, lines: u64) -> &[u8] {
        let start = self.unread.start;
        self.unread.start += length;
        self.offset += length as u64;
        self.line += lines;
        &self.buffer[start..start + length]
    }

    /// Moves what is unread to the front and reads on behind it.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        if self.buffer.len() - self.unread.end < BLOCK_BYTES / 2 {
            self.buffer.resize(self.buffer.len() + BLOCK_BYTES, 0);
        }
        let read = read_some(&mut self.file, &mut self.buffer[self.unread.end..])?;
        self.unread.end += read;
        self.at_end = read == 0;
        if self.at_end
            && self.file.metadata()?.len() < self.length.max(self.offset + self.unread.len() as u64)
        {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it was cut while it was read",
            ));
        }
        Ok(())
    }

    /// Reads past an overlong line without keeping it.
    fn skip_long(&mut self) -> io::Result<Line<'static>> {
        let kept = self.buffer[self.unread.start..self.unread.start + KEPT_BYTES].to_vec();
        let mut length = self.unread.len() as u64;
        loop {
            self.unread = 0..0;
            self.fill()?;
            let found = memchr(b'\n', &self.buffer[..self.unread.end]);
            length += found.unwrap_or(self.unread.end) as u64;
            if let Some(at) = found {
                self.unread.start = at + 1;
            }
            if found.is_some() || self.at_end {
                self.offset += length + u64::from(found.is_some());
                self.line += 1;
                return Ok(Line::TooLong(kept, length));
            }
        }
    }

    /// Skips the byte order mark that some writers put in front.
    fn skip_mark(&mut self) -> io::Result<()> {
        while !self.at_end && self.unread.len() < 3 {
            self.fill()?;
        }
        if self.buffer[self.unread.clone()].starts_with(b"\xef\xbb\xbf") {
            self.unread.start += 3;
            self.offset += 3;
        }
        Ok(())
    }
}

fn read_some(file: &mut File, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn lines_of(bytes: &[u8]) -> Vec<(Vec<u8>, u64, u64)> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let mut lines = Lines::new(file, 0, 0).unwrap();
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            let text = match line {
                Line::Whole(text) => text.to_vec(),
                Line::TooLong(_, length) => format!("{length} bytes").into_bytes(),
            };
            found.push((text, lines.line(), lines.offset()));
        }
        found
    }

    #[test]
    fn numbers_and_offsets() {
        let line = |text: &str, line, offset| (text.as_bytes().to_vec(), line, offset);
        assert_eq!(lines_of(b""), []);
        assert_eq!(lines_of(b"a"), [line("a", 1, 1)]);
        assert_eq!(lines_of(b"a\n"), [line("a", 1, 2)]);
        let expected = [line("a\r", 1, 6), line("", 2, 7), line("bc", 3, 9)];
        assert_eq!(lines_of(b"\xef\xbb\xbfa\r\n\nbc"), expected);
    }

    #[test]
    fn overlong_lines_are_skipped_not_kept() {
        let limit = MAX_RECORD_BYTES;
        let mut bytes = b"a\n".to_vec();
        bytes.extend(vec![b'x'; 3 * limit]);
        bytes.extend(b"\nb\n");
        bytes.extend(vec![b'y'; limit]);
        bytes.extend(b"\n");
        bytes.extend(vec![b'z'; limit + BLOCK_BYTES + 1]);
        let found = lines_of(&bytes);
        let texts: Vec<String> = found
            .iter()
            .map(|(text, ..)| String::from_utf8_lossy(&text[..text.len().min(20)]).into_owned())
            .collect();
        assert_eq!(texts, ["a", "3145728 bytes", "b", "yyyyyyyyyyyyyyyyyyyy", "1310721 bytes"]);
        assert_eq!(found[4].2, bytes.len() as u64);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]
        #[test]
        fn as_split_does(lengths in prop::collection::vec(0usize..100_000, 0..40), last in any::<bool>()) {
            let mut bytes = Vec::new();
            for (i, length) in lengths.iter().enumerate() {
                bytes.extend(vec![b'a' + (i % 26) as u8; *length]);
                bytes.push(b'\n');
            }
            if last {
                bytes.pop();
            }
            let mut expected: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
            if expected.last().is_some_and(|line| line.is_empty()) {
                expected.pop();
            }
            let found = lines_of(&bytes);
            let texts: Vec<&[u8]> = found.iter().map(|(text, ..)| text.as_slice()).collect();
            prop_assert_eq!(texts, expected);
        }
    }
}
