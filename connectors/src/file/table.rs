//! CSV: a line of names, then rows, each decoded by its names.

use super::cells::{Cells, without_feed};
use super::lines::{Line, Lines};
use super::source::{Mark, reject};
use crate::format::{
    Check, MAX_RECORD_BYTES, Rejection, beginning, checked, decode_text_row, shortened,
};
use crate::source::{Pull, Pulled, cannot_read, encode_mark, field_names, fnv};
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::iter::repeat;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use waystream_engine::error::{JobError, Result};
use waystream_engine::event::Data;
use waystream_engine::source::{Position, Reason};

/// The most lines that a row with line feeds in quoted values may have: a quote that somebody forgot
/// must not take the rest of the file.
const MAX_ROW_LINES: u64 = 64;
/// Columns that an error names.
const MOST_NAMES: usize = 20;

/// Reads the rows of a CSV file.
pub(crate) struct Table<R> {
    path: PathBuf,
    names: Vec<String>,
    /// Hash of the names, which tells the header from another.
    header: u64,
    lines: Lines,
    cells: Cells,
    check: Option<Check<R>>,
    /// Whether a row had another number of cells. The first has its columns looked at; with all, a
    /// file of short rows under a long header would be read in the square of its length.
    has_been_short: bool,
    record: PhantomData<fn() -> R>,
}

/// What stands next in a file.
enum Next {
    End,
    /// A whole row of so many bytes and lines, its cells taken apart.
    Row(usize, u64),
    /// A line that begins no row.
    Wrong(Rejection),
}

impl<R: Data> Table<R> {
    pub(crate) fn new(
        path: PathBuf,
        file: File,
        mark: Mark,
        check: Option<Check<R>>,
    ) -> Result<Self> {
        let fail = |error| cannot_read(&path, error);
        let mut cells = Cells::default();
        let mut lines = Lines::new(file.try_clone().map_err(fail)?, 0, 0).map_err(fail)?;
        let names = match next_row(&mut lines, &mut cells).map_err(fail)? {
            Next::End => Vec::new(),
            Next::Row(length, count) => {
                lines.skip(length, count);
                names(&path, &cells)?
            }
            Next::Wrong(rejection) => return Err(wrong_header(&path, &rejection.error)),
        };
        let header = fnv(names.iter().flat_map(|name| name.bytes().chain([0])));
        if mark.offset > 0 && mark.header != header {
            let what = format!("{} has another header than when it was read", path.display());
            return Err(
                JobError::configuration(what).hint("put the file back, or start over with --fresh")
            );
        }
        if mark.offset > 0 {
            lines = Lines::new(file, mark.offset, mark.line).map_err(fail)?;
        }
        Ok(Self {
            path,
            names,
            header,
            lines,
            cells,
            check,
            has_been_short: false,
            record: PhantomData,
        })
    }

    /// Takes the cells at hand as a record; names without a cell have an empty one.
    fn decode(&self) -> std::result::Result<R, Rejection> {
        let cells = self.cells.iter().chain(repeat(&b""[..]));
        checked(decode_text_row(&self.names, cells)?, self.check)
    }

    /// The error of a file that lacks a column which every record needs.
    fn no_column(&self, field: &str) -> JobError {
        let path = self.path.display();
        let shown: Vec<&str> =
            self.names.iter().take(MOST_NAMES).map(|name| beginning(name)).collect();
        let what = format!(
            "{path} has no column `{field}`, which the record needs: its first line is taken as the \
             header, and it names {}",
            shown.join(", ")
        );
        if let [name] = &self.names[..]
            && let Some(separator) = name.chars().find(|letter| matches!(letter, ';' | '\t' | '|'))
        {
            let hint = format!("write commas between values: {separator:?} is none");
            return JobError::configuration(what).hint(hint);
        }
        let rename = format!("name the column `{field}` that holds it");
        // Aliases and fields that may be left out are among the names, and cannot be told apart.
        JobError::configuration(what).hint(match field_names::<R>() {
            Some(names) => format!(
                "{rename}; if the file has no header, write one in front, of these names: {}",
                names.join(",")
            ),
            None => rename,
        })
    }
}

impl<R: Data> Pull for Table<R> {
    type Record = R;

    fn pull(&mut self) -> Result<Pulled<R>> {
        let fail = |error| cannot_read(&self.path, error);
        let next = next_row(&mut self.lines, &mut self.cells).map_err(fail)?;
        let first = self.lines.line() + 1;
        let (found, named) = (self.cells.len(), self.names.len());
        let wrong = match next {
            Next::End => return Ok(Pulled::End),
            Next::Row(_, count) if found != named => {
                // A file with another separator has few columns, and rows of any length.
                if !std::mem::replace(&mut self.has_been_short, true)
                    && let Some(field) = self.decode().err().and_then(|error| error.missing_field())
                {
                    return Err(self.no_column(field));
                }
                let error = format!("{found} values under {named} names{}", span(first, count));
                Rejection::new(Reason::Malformed, error)
            }
            Next::Row(length, count) => match self.decode() {
                Ok(record) => {
                    self.lines.skip(length, count);
                    return Ok(Pulled::Record(first, record));
                }
                Err(mut rejection) => {
                    if let Some(field) = rejection.missing_field() {
                        return Err(self.no_column(field));
                    }
                    rejection.error += &span(first, count);
                    let raw = shortened(without_feed(self.lines.skip(length, count)));
                    return Ok(Pulled::Reject(reject(&self.path, first, &rejection, raw)));
                }
            },
            Next::Wrong(rejection) => rejection,
        };
        // Only the line goes: what follows may have been taken in by a quote too many.
        let (raw, wrong) = match self.lines.next().map_err(fail)? {
            None => return Ok(Pulled::End),
            Some(Line::Whole(line)) => (shortened(without_feed(line)), wrong),
            Some(Line::TooLong(raw, length)) => (raw, Rejection::too_large(length)),
        };
        Ok(Pulled::Reject(reject(&self.path, first, &wrong, raw)))
    }

    fn position(&self) -> Result<Position> {
        encode_mark(&Mark {
            offset: self.lines.offset(),
            line: self.lines.line(),
            header: self.header,
        })
    }

    fn bytes(&self) -> u64 {
        self.lines.offset()
    }
}

/// Looks at the next row, past empty lines, and takes its cells apart. Only empty lines are passed.
fn next_row(lines: &mut Lines, cells: &mut Cells) -> io::Result<Next> {
    cells.clear();
    let (mut length, mut count) = (0, 0);
    loop {
        let first = lines.line() + 1;
        let ahead = lines.peek(length)?;
        let (more, bytes) = (ahead.len() - length, without_feed(ahead).len());
        if count == 0 && bytes == 0 {
            if more == 0 {
                return Ok(Next::End);
            }
            lines.skip(more, 1);
            continue;
        }
        if count == 0 && bytes > MAX_RECORD_BYTES {
            // Up to the line feed, as an overlong line is counted that is not in the buffer whole.
            let length = more - usize::from(ahead.ends_with(b"\n"));
            return Ok(Next::Wrong(Rejection::too_large(length as u64)));
        }
        if more == 0 || bytes > MAX_RECORD_BYTES || count == MAX_ROW_LINES {
            let opened = first + cells.opened();
            let error = format!(
                "the quote opened in line {opened} is not closed, or not within {MAX_ROW_LINES} \
                 lines and {MAX_RECORD_BYTES} bytes"
            );
            return Ok(Next::Wrong(cells.wrong(&error)));
        }
        let whole = cells.add(&ahead[length..]);
        (length, count) = (ahead.len(), count + 1);
        match whole {
            Ok(true) => return Ok(Next::Row(length, count)),
            Ok(false) => {}
            Err(mut rejection) => {
                rejection.error += &span(first, count);
                return Ok(Next::Wrong(rejection));
            }
        }
    }
}

/// The lines of a row, if it has several: a quote may be open by mistake.
fn span(first: u64, count: u64) -> String {
    match count {
        1 => String::new(),
        _ => format!(" (in lines {first} to {}, joined by a quote)", first + count - 1),
    }
}

fn names(path: &Path, cells: &Cells) -> Result<Vec<String>> {
    let name = |cell| String::from_utf8_lossy(cell).trim().to_owned();
    let names: Vec<String> = cells.iter().map(name).collect();
    let mut seen = HashSet::with_capacity(names.len());
    match names.iter().find(|name| !seen.insert(*name)) {
        Some(twice) => {
            let wrong = format!("two columns are named `{}`", beginning(twice));
            Err(wrong_header(path, &wrong))
        }
        None => Ok(names),
    }
}

fn wrong_header(path: &Path, wrong: &str) -> JobError {
    let what = format!("{}: the first line, taken as the header: {wrong}", path.display());
    JobError::configuration(what).hint(
        "write a first line that names each column once and ends in a line feed, as in id,ts,lat",
    )
}
