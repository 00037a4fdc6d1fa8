//! The Parquet sink: types and values there and back, refused types, and crashes anywhere.

use super::columns::Column;
use super::encoder::RowEncoder;
use super::trace::columns_of;
use super::*;
use crate::sink::claim::Owner;
use crate::sink::crash::{Subject, any_crashes, any_script, check, check_every_operation};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt64Type;
use expect_test::expect;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use waystream_engine::checkpoint::{Confirmed, Disk, LocalDisk};
use waystream_engine::error::{ErrorKind, Result};
use waystream_engine::event::Data;
use waystream_engine::sink::{Committer, Encoder, Sink, StagedBatch};
use waystream_engine::time::Epoch;

const FOLDER: &str = "out/rows";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Change {
    #[serde(rename = "upsert")]
    Upsert,
    Remove,
}

/// A string for people, a number for machines; 0 is not valid.
#[derive(Clone, Debug, PartialEq)]
struct Cell(u64);

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&format_args!("{:x}", self.0))
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let cell = if deserializer.is_human_readable() {
            u64::from_str_radix(&String::deserialize(deserializer)?, 16).unwrap_or(0)
        } else {
            u64::deserialize(deserializer)?
        };
        if cell == 0 { Err(serde::de::Error::custom("not a cell")) } else { Ok(Self(cell)) }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Millis(i64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    name: compact_str::CompactString,
    change: Change,
    ts: Millis,
    cell: Cell,
    maybe_cell: Option<Cell>,
    lat: f64,
    speed: Option<f32>,
    small: i16,
    port: u16,
    ok: bool,
    letter: Option<char>,
    #[serde(rename = "what else")]
    extra: serde_json::Value,
}

fn row() -> Row {
    Row {
        name: "a".into(),
        change: Change::Upsert,
        ts: Millis(-1),
        cell: Cell(0x8828_3082_a3ff_ffff),
        maybe_cell: Some(Cell(u64::MAX)),
        lat: f64::NAN,
        speed: Some(f32::NEG_INFINITY),
        small: -7,
        port: 65535,
        ok: true,
        letter: Some('é'),
        extra: serde_json::json!({"a": [1, null]}),
    }
}

fn nulls() -> Row {
    let extra = serde_json::Value::Null;
    let (maybe_cell, speed, letter) = (None, None, None);
    Row { name: "".into(), change: Change::Remove, maybe_cell, speed, letter, extra, ..row() }
}

fn described(columns: &[Column]) -> String {
    columns.iter().map(|column| format!("{column}\n")).collect()
}

fn sink<T: Data>(disk: Arc<dyn Disk>, folder: &Path, roll_bytes: u64) -> Box<dyn Sink<T>> {
    Box::new(ParquetSink::of::<T>(disk, folder, &Owner::of_test("rows"), roll_bytes).unwrap())
}

fn staged<T: Data>(sink: &dyn Sink<T>, epoch: u64, rows: &[T]) -> StagedBatch {
    let (mut encoder, mut bytes) = (sink.encoder().unwrap(), Vec::new());
    rows.iter().for_each(|row| encoder.encode(row, &mut bytes).unwrap());
    StagedBatch { epoch: Epoch(epoch), rows: rows.len() as u64, bytes }
}

fn batches(bytes: &[u8]) -> Vec<RecordBatch> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    reader.map(|batch| batch.unwrap()).collect()
}

fn names(folder: &Path) -> Vec<String> {
    LocalDisk.list(folder).unwrap()
}

#[test]
fn columns_come_from_the_type() {
    expect![[r#"
        name: Text
        change: Text
        ts: Int64
        cell: UInt64
        maybe_cell: UInt64?
        lat: Float64
        speed: Float32?
        small: Int32
        port: UInt32
        ok: Bool
        letter: Text?
        what else: Json?
    "#]]
    .assert_eq(&described(&columns_of::<Row>().unwrap()));
}

fn refused<T: Data>() -> String {
    let error = columns_of::<T>().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Configuration);
    error.to_string().replace(&format!("{}::", module_path!()), "")
}

#[test]
fn types_without_flat_columns_are_refused() {
    #[derive(Clone, Serialize, Deserialize)]
    struct List {
        list: Vec<u8>,
    }
    #[derive(Clone, Serialize, Deserialize)]
    struct Nested {
        n: u8,
        inner: Millis,
        list: Option<List>,
    }
    expect!["`list` of `types_without_flat_columns_are_refused::List` is no column: a list"]
        .assert_eq(&refused::<List>());
    expect!["`list` of `types_without_flat_columns_are_refused::Nested` is no column: a struct"]
        .assert_eq(&refused::<Nested>());
    expect!["`alloc::string::String` is not a struct with fields known beforehand"]
        .assert_eq(&refused::<String>());
}

#[test]
fn values_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink::<Row>(Arc::new(LocalDisk), folder.path(), 1);
    let mut committer = sink.committer().unwrap();
    committer.recover(None).unwrap();
    let batch = staged(&*sink, 4, &[row(), nulls()]);
    let confirmed = committer.commit(Epoch(4), vec![batch]).unwrap().unwrap();
    let name = "part-0000000004-0000000004.parquet";
    assert_eq!(confirmed, Confirmed { epoch: Epoch(4), position: name.into() });
    assert_eq!(names(folder.path()), [".waystream", name]);
    let batches = batches(&std::fs::read(folder.path().join(name)).unwrap());
    let shown = arrow_text(&batches[0]);
    expect![[r#"
        name Utf8 "a" ""
        change Utf8 "upsert" "Remove"
        ts Int64 "-1" "-1"
        cell UInt64 "9811145125881970687" "9811145125881970687"
        maybe_cell UInt64 "18446744073709551615" NULL
        lat Float64 "NaN" "NaN"
        speed Float32 "-inf" NULL
        small Int32 "-7" "-7"
        port UInt32 "65535" "65535"
        ok Boolean "true" "true"
        letter Utf8 "é" NULL
        what else Utf8 "{\"a\":[1,null]}" NULL
    "#]]
    .assert_eq(&shown);
}

fn arrow_text(batch: &RecordBatch) -> String {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        let show = |row| arrow::util::display::array_value_to_string(column, row).unwrap();
        let values: Vec<String> = (0..batch.num_rows())
            .map(|row| if column.is_null(row) { "NULL".into() } else { format!("{:?}", show(row)) })
            .collect();
        format!("{} {} {}\n", field.name(), field.data_type(), values.join(" "))
    });
    columns.collect()
}

#[test]
fn a_row_that_does_not_fit_leaves_nothing_behind() {
    #[derive(Clone, Serialize, Deserialize)]
    struct Absent {
        #[serde(default, skip_serializing_if = "Vec::is_empty", with = "as_text")]
        text: Vec<u8>,
    }
    mod as_text {
        use super::*;
        pub(super) fn serialize<S: Serializer>(_: &[u8], s: S) -> Result<S::Ok, S::Error> {
            s.serialize_str("x")
        }
        pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
            String::deserialize(d).map(String::into_bytes)
        }
    }
    let mut encoder = RowEncoder { columns: columns_of::<Absent>().unwrap().into() };
    let mut bytes = Vec::new();
    encoder.encode(&Absent { text: vec![1] }, &mut bytes).unwrap();
    let before = bytes.clone();
    let error = encoder.encode(&Absent { text: vec![] }, &mut bytes).unwrap_err();
    assert!(error.to_string().ends_with("0 of 1 needed fields were given"), "{error}");
    assert_eq!(bytes, before);
}

#[test]
fn no_rows_make_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink::<Row>(Arc::new(LocalDisk), folder.path(), 1);
    let mut committer = sink.committer().unwrap();
    committer.recover(None).unwrap();
    let confirmed = committer.commit(Epoch(1), vec![staged(&*sink, 1, &[])]).unwrap();
    assert_eq!(confirmed, Some(Confirmed { epoch: Epoch(1), position: String::new() }));
    assert_eq!(committer.finish(Epoch(1)).unwrap(), None);
    assert_eq!(names(folder.path()), [".waystream"]);
}

#[test]
fn rows_wait_until_a_file_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink::<Number>(Arc::new(LocalDisk), folder.path(), 100);
    let mut committer = sink.committer().unwrap();
    committer.recover(None).unwrap();
    let mut confirmed_at = Vec::new();
    for epoch in 1..=9 {
        let batch = staged(&*sink, epoch, &[Number { n: epoch }]);
        let confirmed = committer.commit(Epoch(epoch), vec![batch]).unwrap();
        confirmed_at.extend(confirmed.map(|confirmed| confirmed.epoch.0));
    }
    confirmed_at.extend(committer.finish(Epoch(9)).unwrap().map(|confirmed| confirmed.epoch.0));
    expect!["[4, 8, 9]"].assert_eq(&format!("{confirmed_at:?}"));
    expect![[r#"
        .waystream
        part-0000000001-0000000004.parquet
        part-0000000005-0000000008.parquet
        part-0000000009-0000000009.parquet"#]]
    .assert_eq(&names(folder.path()).join("\n"));
}

#[test]
fn rows_of_an_older_row_type_get_a_file_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let old = sink::<Number>(Arc::new(LocalDisk), folder.path(), 1 << 20);
    let new = sink::<Row>(Arc::new(LocalDisk), folder.path(), 1 << 20);
    let mut committer = new.committer().unwrap();
    committer.recover(None).unwrap();
    let owed = vec![staged(&*old, 1, &[Number { n: 1 }]), staged(&*old, 2, &[Number { n: 2 }])];
    assert_eq!(committer.commit(Epoch(2), owed).unwrap(), None);
    let confirmed = committer.commit(Epoch(3), vec![staged(&*new, 3, &[row()])]).unwrap();
    assert_eq!(confirmed.unwrap().epoch, Epoch(2));
    assert_eq!(committer.finish(Epoch(3)).unwrap().unwrap().epoch, Epoch(3));
    assert_eq!(names(folder.path()).len(), 3);
}

#[test]
fn files_of_others_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = folder.path().join("part-0000000001-0000000002.parquet");
    std::fs::write(&theirs, "precious").unwrap();
    let sink = sink::<Number>(Arc::new(LocalDisk), folder.path(), 1);
    let confirmed = |part: &str| Some(Confirmed { epoch: Epoch(1), position: part.into() });
    let refused = |confirmed: Option<Confirmed>| {
        sink.committer().unwrap().recover(confirmed.as_ref()).unwrap_err()
    };
    for confirmed in [None, confirmed(""), confirmed("part-0000000001-0000000001.parquet")] {
        assert_eq!(refused(confirmed).kind, ErrorKind::Configuration);
    }
    std::fs::write(
        folder.path().join(".waystream"),
        "written by waystream, sink `rows`, checkpoints \n",
    )
    .unwrap();
    assert_eq!(refused(confirmed("")).kind, ErrorKind::Checkpoint);
    assert_eq!(std::fs::read(&theirs).unwrap(), b"precious");
}

#[test]
fn bytes_of_another_sink_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink::<Number>(Arc::new(LocalDisk), folder.path(), 1);
    let mut committer = sink.committer().unwrap();
    committer.recover(None).unwrap();
    let batch = StagedBatch { epoch: Epoch(1), rows: 1, bytes: b"{\"n\":1}\n".to_vec() };
    let error = committer.commit(Epoch(1), vec![batch]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Checkpoint);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Number {
    n: u64,
}

fn encode(rows: &[u64]) -> Vec<u8> {
    let (mut encoder, mut bytes) =
        (RowEncoder { columns: columns_of::<Number>().unwrap().into() }, Vec::new());
    rows.iter().for_each(|n| encoder.encode(&Number { n: *n }, &mut bytes).unwrap());
    bytes
}

fn read(disk: &dyn Disk) -> Result<Vec<u64>, String> {
    let mut rows = Vec::new();
    for name in disk.list(Path::new(FOLDER)).unwrap() {
        if name.starts_with("part-") {
            let bytes = disk.read(&Path::new(FOLDER).join(&name)).unwrap();
            if !bytes.starts_with(b"PAR1") || !bytes.ends_with(b"PAR1") {
                return Err(format!("{name} is torn"));
            }
            for batch in batches(&bytes) {
                rows.extend(batch.column(0).as_primitive::<UInt64Type>().values());
            }
        }
    }
    Ok(rows)
}

fn subject() -> Subject {
    let committer = |disk| sink::<Number>(disk, Path::new(FOLDER), 90).committer().unwrap();
    Subject { committer, encode, read, always_whole: true }
}

#[test]
fn a_crash_at_any_operation_leaves_each_row_once() {
    let script = vec![vec![2], vec![], vec![1, 2], vec![3], vec![1]];
    let operations = check_every_operation(subject(), &script).unwrap();
    assert!(operations > 15, "only {operations} operations were tried");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_crashes_leave_each_row_once(script in any_script(), crashes in any_crashes()) {
        prop_assert_eq!(check(subject(), &script, &crashes), Ok(()));
    }
}

/// Planted: keeps the files of a run whose confirmation was lost.
struct Keeping(Box<dyn Committer>, bool);

impl Committer for Keeping {
    fn recover(&mut self, confirmed: Option<&Confirmed>) -> Result<()> {
        let far = Confirmed { epoch: Epoch(u64::MAX), position: String::new() };
        self.0.recover(confirmed.map(|_| &far))
    }

    fn commit(&mut self, epoch: Epoch, batches: Vec<StagedBatch>) -> Result<Option<Confirmed>> {
        let confirmed = self.0.commit(epoch, batches)?;
        // Planted in the other variant: confirms what is only collected.
        let early = self.1.then(|| Confirmed { epoch, position: String::new() });
        Ok(confirmed.or(early))
    }

    fn finish(&mut self, epoch: Epoch) -> Result<Option<Confirmed>> {
        self.0.finish(epoch)
    }
}

#[test]
fn the_checker_sees_planted_mistakes() {
    let script = vec![vec![2], vec![3], vec![2], vec![3], vec![1]];
    let kept = |disk| Box::new(Keeping((subject().committer)(disk), false)) as Box<dyn Committer>;
    let what = check_every_operation(Subject { committer: kept, ..subject() }, &script);
    assert!(what.unwrap_err().contains("found"));
    let early = |disk| Box::new(Keeping((subject().committer)(disk), true)) as Box<dyn Committer>;
    let what = check_every_operation(Subject { committer: early, ..subject() }, &script);
    assert!(what.unwrap_err().contains("found"));
}
