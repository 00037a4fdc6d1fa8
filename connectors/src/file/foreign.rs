//! Files that are no text by their first bytes, told before a line of them is taken for a bad one.

use crate::source::cannot_read;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use waystream_engine::error::{JobError, Result};

/// First bytes, what a file that has them is, and what to do with it.
const KINDS: [(&[u8], &str, &str); 9] = [
    (b"\x1f\x8b", "compressed with gzip", "unpack it: gunzip FILE"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it: unzstd FILE"),
    (b"PK\x03\x04", "a zip archive", "unpack it: unzip FILE"),
    (b"PAR1\x15", "a Parquet file", "name it by parquet:FILE"),
    (b"\xff\xfe\0\0", "UTF-32", "convert it: iconv -f UTF-32 -t UTF-8 FILE"),
    (b"{\0", "UTF-16", "convert it: iconv -f UTF-16LE -t UTF-8 FILE"),
    (b"\0{", "UTF-16", "convert it: iconv -f UTF-16BE -t UTF-8 FILE"),
    (b"\xff\xfe", "UTF-16", "convert it: iconv -f UTF-16 -t UTF-8 FILE"),
    (b"\xfe\xff", "UTF-16", "convert it: iconv -f UTF-16 -t UTF-8 FILE"),
];

/// Refuses a file that is no UTF-8 text as a whole. It is left at its beginning.
pub(super) fn check_is_text(path: &Path, file: &mut File) -> Result<()> {
    let fail = |error| cannot_read(path, error);
    let mut first = Vec::new();
    file.by_ref().take(5).read_to_end(&mut first).map_err(fail)?;
    file.rewind().map_err(fail)?;
    match KINDS.iter().find(|(mark, ..)| first.starts_with(mark)) {
        None => Ok(()),
        Some((_, kind, hint)) => {
            let what = format!("{} is {kind}, and is to be UTF-8 text", path.display());
            Err(JobError::configuration(what).hint(*hint))
        }
    }
}
