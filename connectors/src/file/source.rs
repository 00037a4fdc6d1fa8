//! The source over a glob of text files: each file a partition, a position the next line's offset.

use super::foreign::check_is_text;
use super::lines::{Line, Lines};
use super::table::Table;
use crate::format::{Check, Rejection, checked, decode_json, shortened};
use crate::source::{Files, Pace, Pull, Pulled, cannot_read, decode_mark, encode_mark, reader};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use waystream_engine::error::{JobError, Result};
use waystream_engine::event::Data;
use waystream_engine::source::{Partition, Position, Reader, Reject, Source};

/// How the records of a text file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated values under a line of names.
    Csv,
}

impl FileFormat {
    fn extension(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }
}

/// Text files as a bounded source.
#[derive(Debug)]
pub struct FileSource<R> {
    files: Files<R>,
    format: FileFormat,
}

impl<R: Data> FileSource<R> {
    pub(crate) fn new(
        pattern: &str,
        format: FileFormat,
        check: Option<Check<R>>,
        pace: Option<Pace<R>>,
    ) -> Self {
        let mut files = Files::new(pattern, format.extension());
        (files.check, files.pace) = (check, pace);
        Self { files, format }
    }

    pub(crate) fn rows(
        &self,
        partition: &Partition,
        from: Option<&Position>,
    ) -> Result<Box<dyn Pull<Record = R>>> {
        let path = PathBuf::from(&partition.name);
        let mark = from
            .map(|from| decode_mark::<Mark>(from, &partition.name))
            .transpose()?
            .unwrap_or_default();
        let mut file = File::open(&path).map_err(|error| cannot_read(&path, error))?;
        check_is_text(&path, &mut file)?;
        mark.check(&path, &mut file)?;
        let check = self.files.check;
        match self.format {
            FileFormat::Jsonl => {
                let lines = Lines::new(file, mark.offset, mark.line)
                    .map_err(|error| cannot_read(&path, error))?;
                Ok(Box::new(JsonLines { path, lines, check, record: PhantomData }))
            }
            FileFormat::Csv => Ok(Box::new(Table::new(path, file, mark, check)?)),
        }
    }
}

impl<R: Data> Source for FileSource<R> {
    type Record = R;

    fn partitions(&mut self) -> Result<Vec<Partition>> {
        let partition = |(index, path): (usize, &PathBuf)| {
            let name = path.display().to_string();
            Partition { index: index as u16, name }
        };
        Ok(self.files.paths()?.iter().enumerate().map(partition).collect())
    }

    fn open(
        &mut self,
        partition: &Partition,
        from: Option<&Position>,
    ) -> Result<Box<dyn Reader<Record = R>>> {
        Ok(reader(self.rows(partition, from)?, self.files.pace.clone()))
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn identity(&self) -> String {
        self.files.identity()
    }
}

/// Where reading goes on in a text file.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// Offset of the next line.
    pub(crate) offset: u64,
    /// Lines before it.
    pub(crate) line: u64,
    /// Hash of the header, if there is one.
    pub(crate) header: u64,
}

impl Mark {
    /// Checks that the file can be the one that the position was taken from.
    fn check(self, path: &Path, file: &mut File) -> Result<()> {
        let fail = |error| cannot_read(path, error);
        let length = file.metadata().map_err(fail)?.len();
        let mut before = [b'\n'];
        if self.offset > 0 && self.offset < length {
            file.seek(SeekFrom::Start(self.offset - 1)).map_err(fail)?;
            file.read_exact(&mut before).map_err(fail)?;
            file.rewind().map_err(fail)?;
        }
        if length >= self.offset && before == *b"\n" {
            return Ok(());
        }
        let what = format!(
            "{} is not the file it was: the job had read {} bytes up to the end of line {}, and \
             now it has {length} bytes and no line ends there",
            path.display(),
            self.offset,
            self.line,
        );
        Err(JobError::configuration(what).hint("put the file back, or start over with --fresh"))
    }
}

/// Reads JSON lines.
struct JsonLines<R> {
    path: PathBuf,
    lines: Lines,
    check: Option<Check<R>>,
    record: PhantomData<fn() -> R>,
}

impl<R: Data> Pull for JsonLines<R> {
    type Record = R;

    fn pull(&mut self) -> Result<Pulled<R>> {
        loop {
            let number = self.lines.line() + 1;
            let next = self.lines.next().map_err(|error| cannot_read(&self.path, error))?;
            let (raw, rejection) = match next {
                None => return Ok(Pulled::End),
                Some(Line::TooLong(raw, length)) => (raw, Rejection::too_large(length)),
                Some(Line::Whole(line)) => {
                    if line.iter().all(u8::is_ascii_whitespace) {
                        continue;
                    }
                    match decode_json(line).and_then(|record| checked(record, self.check)) {
                        Ok(record) => return Ok(Pulled::Record(number, record)),
                        Err(rejection) => (shortened(line), rejection),
                    }
                }
            };
            return Ok(Pulled::Reject(reject(&self.path, number, &rejection, raw)));
        }
    }

    fn position(&self) -> Result<Position> {
        encode_mark(&Mark { offset: self.lines.offset(), line: self.lines.line(), header: 0 })
    }

    fn bytes(&self) -> u64 {
        self.lines.offset()
    }
}

/// A rejection of a line, with `file:line` in its text.
pub(crate) fn reject(path: &Path, line: u64, rejection: &Rejection, raw: Vec<u8>) -> Reject {
    let error = format!("{}:{line}: {}", path.display(), rejection.error);
    Reject { position: line, reason: rejection.reason, error, raw }
}
