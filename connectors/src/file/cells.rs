//! The cells of a CSV row, split as RFC 4180 has it; but a line feed alone ends a line too.

use crate::format::Rejection;
use memchr::{memchr, memchr3};
use waystream_engine::source::Reason;

/// The cells found so far, and whether the last is a quoted one that goes on in the next line.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    /// The cells' texts one after the other, without quotes.
    text: Vec<u8>,
    /// Where each cell ends in the text.
    ends: Vec<usize>,
    is_open: bool,
    /// Lines added so far.
    lines: u64,
    /// Lines before the one in which the latest quote opened.
    opened: u64,
}

impl Cells {
    /// Forgets the row.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        (self.is_open, self.lines, self.opened) = (false, 0, 0);
    }

    /// Lines of the row before the one in which the latest quote opened.
    pub(crate) fn opened(&self) -> u64 {
        self.opened
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| &self.text[std::mem::replace(&mut start, *end)..*end])
    }

    /// Adds the cells of one more line, which is given with its line feed. Says whether the row is
    /// whole; if not, a quoted cell goes on in the next line.
    ///
    /// # Errors
    /// If the line breaks the rules.
    pub(crate) fn add(&mut self, line: &[u8]) -> Result<bool, Rejection> {
        let body = without_feed(line);
        let mut at = 0;
        loop {
            if !self.is_open && body.get(at) == Some(&b'"') {
                (self.is_open, self.opened) = (true, self.lines);
                at += 1;
            }
            let length = if self.is_open {
                let Some(length) = self.quoted(&body[at..])? else {
                    self.text.extend_from_slice(&line[body.len()..]);
                    self.lines += 1;
                    return Ok(false);
                };
                length
            } else {
                self.plain(&body[at..])?
            };
            self.is_open = false;
            self.ends.push(self.text.len());
            at += length;
            if at == body.len() {
                return Ok(true);
            }
            at += 1; // the comma
        }
    }

    /// Takes a cell without quotes; its length.
    fn plain(&mut self, rest: &[u8]) -> Result<usize, Rejection> {
        let end = memchr3(b',', b'"', b'\r', rest).unwrap_or(rest.len());
        match rest.get(end) {
            Some(b'"') => Err(self.wrong("a quote in a value that does not begin with one")),
            Some(b'\r') => {
                Err(self.wrong("a carriage return without a line feed, which ends no line"))
            }
            _ => {
                self.text.extend_from_slice(&rest[..end]);
                Ok(end)
            }
        }
    }

    /// Takes what is left of a quoted cell; its length with the closing quote, or nothing if the
    /// cell goes on behind the rest.
    fn quoted(&mut self, rest: &[u8]) -> Result<Option<usize>, Rejection> {
        let mut at = 0;
        while let Some(length) = memchr(b'"', &rest[at..]) {
            self.text.extend_from_slice(&rest[at..at + length]);
            at += length + 1;
            match rest.get(at) {
                None | Some(b',') => return Ok(Some(at)),
                Some(b'"') => {
                    self.text.push(b'"');
                    at += 1;
                }
                Some(_) => return Err(self.wrong("text behind the closing quote")),
            }
        }
        self.text.extend_from_slice(&rest[at..]);
        Ok(None)
    }

    /// What is wrong with the cell that comes next.
    pub(crate) fn wrong(&self, what: &str) -> Rejection {
        Rejection::new(Reason::Malformed, format!("value {}: {what}", self.len() + 1))
    }
}

/// A line without what ends it.
pub(crate) fn without_feed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The cells of lines that make one row.
    fn cells_of(row: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let mut cells = Cells::default();
        let mut whole = false;
        for line in row.split_inclusive(|byte| *byte == b'\n') {
            whole = cells.add(line).map_err(|rejection| rejection.error)?;
        }
        let found = cells.iter().map(<[u8]>::to_vec).collect();
        whole.then_some(found).ok_or_else(|| "is open".to_owned())
    }

    #[test]
    fn what_is_refused() {
        for (row, wrong) in [
            (&b"a,b\"c\",d"[..], "value 2: a quote in a value that does not begin with one"),
            (b"a, \"b\"", "value 2: a quote in a value that does not begin with one"),
            (b"a,\"b\" ,c", "value 2: text behind the closing quote"),
            (b"a,\"b\nc\"d", "value 2: text behind the closing quote"),
            (b"a\rb", "value 1: a carriage return without a line feed, which ends no line"),
            (b"a,\"b\n", "is open"),
            (b"\"", "is open"),
        ] {
            assert_eq!(cells_of(row), Err(wrong.to_owned()), "{}", row.escape_ascii());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_by_the_rules_is_read_back(
            cells in prop::collection::vec("[a\",\r\n ]{0,6}", 1..5),
            feed in prop::sample::select(vec!["", "\n", "\r\n"]),
        ) {
            let quoted = |cell: &String| match cell.contains(['"', ',', '\r', '\n']) {
                true => format!("\"{}\"", cell.replace('"', "\"\"")),
                false => cell.clone(),
            };
            let row = cells.iter().map(quoted).collect::<Vec<_>>().join(",") + feed;
            let expected = cells.iter().map(|cell| cell.as_bytes().to_vec()).collect::<Vec<_>>();
            prop_assume!(!row.is_empty());
            prop_assert_eq!(cells_of(row.as_bytes()), Ok(expected));
        }
    }
}
