//! The framing of staged bytes: a header that names the columns, then rows, each with its length.
//!
//! A header stands at the start of each buffer, so buffers may be joined, and rows that an older
//! version of a job staged are still understood.

use super::columns::{Column, Kind};
use waystream_engine::error::{JobError, Result};

const HEADER: u8 = 0;
const ROW: u8 = 1;
/// More columns than a row type can sensibly have; keeps numbers in 16 bits.
const MOST_COLUMNS: usize = 1000;

/// A piece of staged bytes.
#[derive(Debug, PartialEq)]
pub(super) enum Frame<'a> {
    /// The columns of the rows that follow.
    Header(Vec<Column>),
    /// Values, each after the number of its column.
    Row(&'a [u8]),
}

/// Appends a row as `fill` writes it; appends nothing if that fails.
pub(super) fn append_frame(
    into: &mut Vec<u8>,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    append(into, ROW, fill)
}

/// Appends the header of these columns.
pub(super) fn append_header(columns: &[Column], into: &mut Vec<u8>) -> Result<()> {
    if columns.len() > MOST_COLUMNS {
        return Err(JobError::failed(format!("more than {MOST_COLUMNS} columns")));
    }
    append(into, HEADER, |into| {
        for column in columns {
            into.extend_from_slice(&[column.kind as u8, u8::from(column.nullable)]);
            into.extend_from_slice(&(column.name.len() as u32).to_le_bytes());
            into.extend_from_slice(column.name.as_bytes());
        }
        Ok(())
    })
}

fn append(
    into: &mut Vec<u8>,
    tag: u8,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    let start = into.len();
    into.extend_from_slice(&[0, 0, 0, 0, tag]);
    let filled = fill(into).and_then(|()| {
        u32::try_from(into.len() - start - 4).map_err(|_| JobError::failed("a row over 4 GiB"))
    });
    match filled {
        Ok(length) => into[start..start + 4].copy_from_slice(&length.to_le_bytes()),
        Err(error) => {
            into.truncate(start);
            return Err(error);
        }
    }
    Ok(())
}

/// Takes the next frame off the front of `bytes`; `None` at the end.
pub(super) fn next_frame<'a>(bytes: &mut &'a [u8]) -> Result<Option<Frame<'a>>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut body = take_counted(bytes)?;
    match take(&mut body, 1)? {
        [HEADER] => read_header(body).map(|columns| Some(Frame::Header(columns))),
        [ROW] => Ok(Some(Frame::Row(body))),
        _ => Err(damaged()),
    }
}

fn read_header(mut body: &[u8]) -> Result<Vec<Column>> {
    let mut columns = Vec::new();
    while !body.is_empty() {
        let fixed = take(&mut body, 2)?;
        let (kind, nullable) = (Kind::from_code(fixed[0]).ok_or_else(damaged)?, fixed[1] == 1);
        let name = String::from_utf8(take_counted(&mut body)?.to_vec()).map_err(|_| damaged())?;
        columns.push(Column { name, kind, nullable });
    }
    Ok(columns)
}

/// Splits a row into a value per column; `None` is a null.
pub(super) fn split_row<'a>(
    mut row: &'a [u8],
    columns: &[Column],
    values: &mut Vec<Option<&'a [u8]>>,
) -> Result<()> {
    values.clear();
    values.resize(columns.len(), None);
    while !row.is_empty() {
        let index = take(&mut row, 2)?;
        let index = usize::from(u16::from_le_bytes([index[0], index[1]]));
        let column = columns.get(index).ok_or_else(damaged)?;
        values[index] = Some(match column.kind.width() {
            Some(width) => take(&mut row, width)?,
            None => take_counted(&mut row)?,
        });
    }
    Ok(())
}

fn take_counted<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8]> {
    let length = take(bytes, 4)?;
    let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
    take(bytes, length as usize)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(length).ok_or_else(damaged)?;
    *bytes = tail;
    Ok(head)
}

/// The error of staged bytes that no encoder wrote.
pub(super) fn damaged() -> JobError {
    JobError::checkpoint("rows staged for a Parquet file are not as this sink stages them")
        .hint("was the sink's URL changed from another kind? run once more with the old URL")
}
