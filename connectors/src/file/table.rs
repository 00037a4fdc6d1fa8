//! CSV: a line of names, then rows, each decoded by its names.

use super::source::{Mark, reject};
use crate::format::{Check, MAX_RECORD_BYTES, Rejection, checked, decode_text_row, shortened};
use crate::source::{Pull, Pulled, cannot_read};
use csv::{ByteRecord, ReaderBuilder};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use waystream_engine::error::{ErrorKind, JobError, Result};
use waystream_engine::event::Data;
use waystream_engine::source::{Position, Reason};

/// Bytes the CSV reader takes at once.
const BLOCK_BYTES: usize = 64 * 1024;

/// Reads the rows of a CSV file.
pub(crate) struct Table<R> {
    path: PathBuf,
    names: Vec<String>,
    rows: csv::Reader<Limited>,
    cells: ByteRecord,
    check: Option<Check<R>>,
    record: PhantomData<fn() -> R>,
}

impl<R: Data> Table<R> {
    pub(crate) fn new(
        path: PathBuf,
        file: File,
        mark: Mark,
        check: Option<Check<R>>,
    ) -> Result<Self> {
        let file = Limited { file, left: MAX_RECORD_BYTES };
        let mut rows =
            ReaderBuilder::new().flexible(true).buffer_capacity(BLOCK_BYTES).from_reader(file);
        let headers = rows.byte_headers().map_err(|error| not_csv(&path, error))?;
        let names = names(&path, headers)?;
        if mark.offset > 0 {
            let mut at = csv::Position::new();
            at.set_byte(mark.offset).set_line(mark.line + 1);
            rows.seek(at).map_err(|error| not_csv(&path, error))?;
        }
        Ok(Self { path, names, rows, cells: ByteRecord::new(), check, record: PhantomData })
    }

    fn decode(&self) -> Result<R, Rejection> {
        let (found, named) = (self.cells.len(), self.names.len());
        if found != named {
            let error = format!("{found} values under {named} names");
            return Err(Rejection::new(Reason::Malformed, error));
        }
        checked(decode_text_row(&self.names, self.cells.iter())?, self.check)
    }

    /// The row's bytes as they stand in the file, without the end of the line.
    fn written(&self) -> io::Result<Vec<u8>> {
        let start = self.cells.position().map_or(0, csv::Position::byte);
        let mut bytes = vec![0; self.rows.position().byte().saturating_sub(start) as usize];
        self.rows.get_ref().file.read_exact_at(&mut bytes, start)?;
        let feeds = bytes.iter().take_while(|byte| is_feed(byte)).count();
        bytes.drain(..feeds);
        let end = bytes.iter().rposition(|byte| !is_feed(byte)).map_or(0, |last| last + 1);
        bytes.truncate(end);
        Ok(bytes)
    }
}

impl<R: Data> Pull for Table<R> {
    type Record = R;

    fn pull(&mut self) -> Result<Pulled<R>> {
        self.rows.get_mut().left = MAX_RECORD_BYTES;
        let read = self.rows.read_byte_record(&mut self.cells);
        if !read.map_err(|error| not_csv(&self.path, error))? {
            return Ok(Pulled::End);
        }
        let line = self.cells.position().map_or(0, csv::Position::line);
        match self.decode() {
            Ok(record) => Ok(Pulled::Record(line, record)),
            Err(rejection) => {
                let raw = self.written().map_err(|error| cannot_read(&self.path, error))?;
                Ok(Pulled::Reject(reject(&self.path, line, &rejection, shortened(&raw))))
            }
        }
    }

    fn position(&self) -> Result<Position> {
        let at = self.rows.position();
        Mark { offset: at.byte(), line: at.line().saturating_sub(1) }.encode()
    }

    fn bytes(&self) -> u64 {
        self.rows.position().byte()
    }
}

fn is_feed(byte: &u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

fn names(path: &Path, headers: &ByteRecord) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::with_capacity(headers.len());
    for header in headers {
        let name = String::from_utf8_lossy(header).trim().to_owned();
        if names.contains(&name) {
            let what = format!("{} has two columns named `{name}`", path.display());
            return Err(JobError::configuration(what).hint("name each column once"));
        }
        names.push(name);
    }
    Ok(names)
}

fn not_csv(path: &Path, error: csv::Error) -> JobError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            JobError::new(ErrorKind::Data, format!("{}: {error}", path.display()))
        }
        csv::ErrorKind::Io(error) => cannot_read(path, error),
        kind => JobError::failed(format!("{} cannot be read as CSV: {kind:?}", path.display())),
    }
}

/// A file that gives no more than a record may have, so that an unclosed quote does not read the
/// rest of the file into memory.
struct Limited {
    file: File,
    left: usize,
}

impl Read for Limited {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let what = format!("a row of over {MAX_RECORD_BYTES} bytes; is a quote left open?");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let read = self.file.read(into)?;
        self.left = self.left.saturating_sub(read);
        Ok(read)
    }
}

impl Seek for Limited {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
