//! What the job wrote, in either form of file, and the reference answers.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, UInt32Type, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Sinks with the columns that name a row.
pub const TABLES: [(&str, &[&str]); 5] = [
    ("live", &["entity_id"]),
    ("cells", &["window_start_ms", "cell"]),
    ("crossings", &["entity_id", "zone", "event", "ts_ms"]),
    ("trips", &["entity_id", "trip"]),
    ("stops", &["entity_id", "start_ms"]),
];

/// A row: each column as text.
pub type Row = BTreeMap<String, String>;

/// All rows of a sink in the order they were committed, from its file or folder.
pub fn written(folder: &Path, sink: &str) -> Vec<Row> {
    let parts = folder.join(sink);
    if parts.is_dir() {
        return part_files(&parts).iter().flat_map(|path| parquet_rows(path)).collect();
    }
    let text = std::fs::read_to_string(folder.join(format!("{sink}.jsonl"))).unwrap_or_default();
    text.lines().map(json_row).collect()
}

fn json_row(line: &str) -> Row {
    let row: BTreeMap<String, Value> = serde_json::from_str(line).expect("a row");
    row.into_iter().map(|(name, value)| (name, plain(&value))).collect()
}

fn part_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut parts: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "parquet")).collect();
    parts.sort();
    parts
}

fn parquet_rows(path: &Path) -> Vec<Row> {
    let file = File::open(path).expect("a part");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|file| file.build());
    let mut rows = Vec::new();
    for batch in reader.expect("a whole file") {
        let batch = batch.expect("rows");
        let schema = batch.schema();
        rows.extend((0..batch.num_rows()).map(|at| -> Row {
            let names = schema.fields().iter().map(|field| field.name());
            let cells = names.zip(batch.columns());
            cells.map(|(name, column)| (name.clone(), cell(name, column, at))).collect()
        }));
    }
    rows
}

/// A value as the reference has it: cells in hexadecimal.
fn cell(name: &str, column: &ArrayRef, at: usize) -> String {
    if column.is_null(at) {
        return String::new();
    }
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(at).to_owned(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(at).to_string(),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().value(at).to_string(),
        DataType::UInt64 if name == "cell" => {
            format!("{:x}", column.as_primitive::<UInt64Type>().value(at))
        }
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(at).to_string(),
        DataType::Float32 => column.as_primitive::<Float32Type>().value(at).to_string(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(at).to_string(),
        other => panic!("column `{name}` is {other}"),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Compares every sink with its reference answers.
pub fn compare(folder: &Path) {
    for (sink, key) in TABLES {
        let mut found: BTreeMap<String, Row> = BTreeMap::new();
        for row in written(folder, sink) {
            let name = name(&row, key);
            let before = found.insert(name.clone(), row);
            assert!(before.is_none() || sink == "live", "{sink}: a row twice: {name}");
        }
        let expected = expected(sink, key);
        assert_eq!(found.len(), expected.len(), "rows of {sink}");
        for (name, wanted) in &expected {
            let row = found.get(name).unwrap_or_else(|| panic!("{sink}: {name} is missing"));
            for (column, wanted) in wanted {
                let value = row.get(column).map_or("", String::as_str);
                assert!(same(value, wanted), "{sink} {name} {column}: {value}, not {wanted}");
            }
        }
    }
}

fn name(row: &Row, key: &[&str]) -> String {
    key.iter().map(|column| row[*column].as_str()).collect::<Vec<_>>().join(" ")
}

fn expected(sink: &str, key: &[&str]) -> BTreeMap<String, Row> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/expected/ais_nyharbor");
    let text = std::fs::read_to_string(folder.join(format!("{sink}.csv"))).expect("answers");
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let row = |line: &str| -> Row {
        columns.iter().zip(line.split(',')).map(|(c, v)| ((*c).to_owned(), v.to_owned())).collect()
    };
    lines.map(row).map(|row| (name(&row, key), row)).collect()
}

/// Equal as text, or as numbers to 1e-9 of their size (32-bit floats are printed shorter).
fn same(found: &str, wanted: &str) -> bool {
    match (found.parse::<f64>(), wanted.parse::<f64>()) {
        (Ok(found), Ok(wanted)) => {
            let near = (found - wanted).abs() <= 1e-9 * wanted.abs() + 1e-6;
            near || found as f32 == wanted as f32
        }
        _ => found == wanted,
    }
}
