//! Tests of the archive source: files made for the purpose, and what comes out of them.

mod defects;
mod hostile;
mod order;
mod real;
mod types;

use super::{Columns, ParquetSource};
use crate::format::Rejection;
use crate::source::{Pull, Pulled};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use waystream_engine::error::Result;
use waystream_engine::event::Data;
use waystream_engine::source::Position;

/// The record of these tests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ping {
    id: String,
    ts: i64,
    lat: f64,
    speed: Option<f32>,
}

fn in_range(ping: &Ping) -> std::result::Result<(), Rejection> {
    if ping.lat.abs() <= 90.0 {
        return Ok(());
    }
    Err(Rejection::out_of_range(format!("`lat`: {} is not within -90..90", ping.lat)))
}

pub(super) fn times(values: Vec<Option<i64>>) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from(values).with_timezone("UTC"))
}

pub(super) fn texts(values: Vec<Option<&str>>) -> ArrayRef {
    Arc::new(StringArray::from(values))
}

pub(super) fn numbers(values: Vec<Option<f64>>) -> ArrayRef {
    Arc::new(Float64Array::from(values))
}

/// Columns for rows with these times, named `id`, `ts` and `lat`.
pub(super) fn pings(ts: &[i64]) -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("id", texts(vec![Some("a"); ts.len()])),
        ("ts", times(ts.iter().copied().map(Some).collect())),
        ("lat", numbers((0..ts.len()).map(|row| Some(row as f64)).collect())),
    ]
}

/// Writes one file; each element of `groups` becomes a row group.
pub(super) fn write(path: &Path, groups: &[Vec<(&str, ArrayRef)>]) {
    write_with(path, groups, WriterProperties::builder().build());
}

pub(super) fn write_with(
    path: &Path,
    groups: &[Vec<(&str, ArrayRef)>],
    properties: WriterProperties,
) {
    let batch = |columns: &Vec<(&str, ArrayRef)>| {
        let columns = columns.iter().map(|(name, array)| (*name, array.clone(), true));
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    };
    let file = File::create(path).unwrap();
    let schema = batch(&groups[0]).schema();
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).unwrap();
    for group in groups {
        writer.write(&batch(group)).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
}

/// What a source gives, a line each: records as `origin record`, rejects as `origin reason error`.
pub(super) fn read<R: Data + std::fmt::Debug>(
    source: &mut ParquetSource<R>,
    from: Option<&Position>,
) -> Result<Vec<String>> {
    let mut rows = source.rows(from)?;
    let mut lines = Vec::new();
    loop {
        match rows.pull()? {
            Pulled::End => return Ok(lines),
            Pulled::Record(position, record) => {
                lines.push(format!("{}:{} {record:?}", position >> 32, position as u32));
            }
            Pulled::Reject(reject) => lines.push(format!(
                "{}:{} {}: {} {}",
                reject.position >> 32,
                reject.position as u32,
                reject.reason.as_str(),
                reject.error,
                String::from_utf8_lossy(&reject.raw),
            )),
        }
    }
}

/// The source over a directory, with the keys `map` and `time-zone`.
pub(super) fn source_of<R: Data>(
    dir: &TempDir,
    map: Option<&str>,
    zone: Option<&str>,
) -> ParquetSource<R> {
    let columns = Columns::new("ts", map, zone).unwrap();
    ParquetSource::new(&dir.path().display().to_string(), columns, 1 << 20)
}

/// What reading a directory gives, or the error and its hint, with the directory's name left out.
pub(super) fn outcome(dir: &TempDir, map: Option<&str>, zone: Option<&str>) -> String {
    let mut source = source_of::<Ping>(dir, map, zone).checking(Some(in_range));
    let text = match read(&mut source, None) {
        Ok(lines) => lines.join("\n"),
        Err(error) => {
            let hint = error.hint.clone().unwrap_or_default();
            format!("error: {error}\n hint: {hint}")
        }
    };
    text.replace(&format!("{}/", dir.path().display()), "")
}
