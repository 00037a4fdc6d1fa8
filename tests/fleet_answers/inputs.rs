//! The bundled ships in other forms: shuffled, split, as JSON lines, and with broken lines between.

use crate::broken::{self, Letter};
use arrow::array::{Array, TimestampMillisecondArray};
use arrow::array::{ArrayRef, AsArray, Float32Array, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{Float32Type, Float64Type, TimestampMillisecondType};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use waystream::fleet::Fix;

/// How the same rows are given to the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The bundled file.
    AsIs,
    /// One file, rows in any order; those of equal entity and time keep theirs.
    Shuffled,
    /// The same over three files.
    Split,
    /// JSON lines in order of time over three files, all rows of an entity in one.
    Jsonl,
    /// The same with a broken line after every nineteenth, and empty ones.
    Broken,
}

const FILES: usize = 3;

/// The bundled file.
pub fn bundled() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/data/ais_nyharbor.parquet")
}

/// Writes the rows in a form; gives the URL, and the dead letters that reading it must leave.
pub fn write(form: Form, folder: &Path) -> (String, Vec<Letter>) {
    if form == Form::AsIs {
        return (format!("parquet:{}", bundled().display()), Vec::new());
    }
    std::fs::create_dir_all(folder).expect("a folder");
    let mut rows = ships();
    match form {
        Form::AsIs | Form::Shuffled => {
            write_parquet(&folder.join("ships.parquet"), &shuffled(&rows));
        }
        Form::Split => {
            let rows = shuffled(&rows);
            for (number, rows) in rows.chunks(rows.len().div_ceil(FILES)).enumerate() {
                write_parquet(&folder.join(format!("ships-{number}.parquet")), rows);
            }
        }
        Form::Jsonl | Form::Broken => {
            rows.sort_by_key(|row| row.ts);
            return (
                format!("jsonl:{}/*.jsonl", folder.display()),
                write_lines(folder, &rows, form == Form::Broken),
            );
        }
    }
    (format!("parquet:{}/*.parquet", folder.display()), Vec::new())
}

fn ships() -> Vec<Fix> {
    let file = File::open(bundled()).expect("the bundled ships");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|file| file.build());
    let batches = reader.expect("a Parquet file").map(|batch| batch.expect("rows"));
    batches.flat_map(|batch| fixes(&batch)).collect()
}

fn fixes(batch: &RecordBatch) -> Vec<Fix> {
    let column = |name| batch.column_by_name(name).expect("a column");
    let text = |name| column(name).as_string::<i32>();
    let (ids, kinds) = (text("entity_id"), text("kind"));
    let times = column("ts").as_primitive::<TimestampMillisecondType>();
    let degrees = |name| column(name).as_primitive::<Float64Type>();
    let (lats, lons) = (degrees("lat"), degrees("lon"));
    let small = |name| column(name).as_primitive::<Float32Type>();
    let (speeds, headings) = (small("speed"), small("heading"));
    let fix = |row| Fix {
        entity_id: ids.value(row).into(),
        ts: times.value(row),
        lat: lats.value(row),
        lon: lons.value(row),
        speed: speeds.is_valid(row).then(|| speeds.value(row)),
        heading: headings.is_valid(row).then(|| headings.value(row)),
        kind: kinds.is_valid(row).then(|| kinds.value(row).into()),
    };
    (0..batch.num_rows()).map(fix).collect()
}

/// The rows in another order, the same in every run.
fn shuffled(rows: &[Fix]) -> Vec<Fix> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let mut state = 1u64;
    for at in (1..order.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        order.swap(at, (state >> 33) as usize % (at + 1));
    }
    let mut places: BTreeMap<(&str, i64), Vec<usize>> = BTreeMap::new();
    for (place, &row) in order.iter().enumerate() {
        places.entry((&rows[row].entity_id, rows[row].ts)).or_default().push(place);
    }
    for group in places.into_values() {
        let mut own: Vec<usize> = group.iter().map(|&place| order[place]).collect();
        own.sort_unstable();
        group.into_iter().zip(own).for_each(|(place, row)| order[place] = row);
    }
    assert!(!order.is_sorted());
    order.into_iter().map(|row| rows[row].clone()).collect()
}

fn write_parquet(path: &Path, rows: &[Fix]) {
    let times = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.ts));
    let ids = StringArray::from_iter_values(rows.iter().map(|row| &row.entity_id));
    let kinds: StringArray = rows.iter().map(|row| row.kind.as_ref()).collect();
    let lats = Float64Array::from_iter_values(rows.iter().map(|row| row.lat));
    let lons = Float64Array::from_iter_values(rows.iter().map(|row| row.lon));
    let speeds: Float32Array = rows.iter().map(|row| row.speed).collect();
    let headings: Float32Array = rows.iter().map(|row| row.heading).collect();
    let columns: [(&str, ArrayRef); 7] = [
        ("entity_id", Arc::new(ids)),
        ("ts", Arc::new(times.with_timezone("UTC"))),
        ("lat", Arc::new(lats)),
        ("lon", Arc::new(lons)),
        ("speed", Arc::new(speeds)),
        ("heading", Arc::new(headings)),
        ("kind", Arc::new(kinds)),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let file = File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    for from in (0..batch.num_rows()).step_by(1000) {
        let length = (batch.num_rows() - from).min(1000);
        writer.write(&batch.slice(from, length)).expect("rows are written");
        writer.flush().expect("a row group ends");
    }
    writer.close().expect("a footer");
}

/// Writes JSON lines; broken files begin with a byte order mark and end without a line feed.
fn write_lines(folder: &Path, rows: &[Fix], broken: bool) -> Vec<Letter> {
    let mut letters = Vec::new();
    for number in 0..FILES {
        let path = folder.join(format!("ships-{number}.jsonl"));
        let of_file = |row: &&Fix| row.entity_id.bytes().map(usize::from).sum::<usize>();
        let own = rows.iter().filter(|row| of_file(row) % FILES == number);
        let lines = own.map(|row| serde_json::to_vec(row).expect("a row as JSON"));
        let text = if broken {
            let (text, found) = broken::mixed_into(lines, &path, number);
            letters.extend(found);
            text
        } else {
            lines.flat_map(|line| [line, b"\n".to_vec()]).flatten().collect()
        };
        std::fs::write(path, text).expect("lines are written");
    }
    letters
}
