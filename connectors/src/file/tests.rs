//! Tests of text files: what they may hold, and going on from every position.

use super::{FileFormat, FileSource};
use crate::format::MAX_RECORD_BYTES;
use crate::source::{Pull, Pulled};
use expect_test::expect;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tempfile::TempDir;
use waystream_engine::error::Result;
use waystream_engine::source::{Position, ReadBatch, ReadStatus, Source};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ping {
    id: String,
    ts: u64,
    lat: f64,
    speed: Option<f32>,
}

pub(super) fn source_of(dir: &TempDir, format: FileFormat) -> FileSource<Ping> {
    FileSource::new(&dir.path().display().to_string(), format, None, None)
}

/// Everything of the first partition from a position.
pub(super) fn read(
    source: &mut FileSource<Ping>,
    from: Option<&Position>,
) -> Result<ReadBatch<Ping>> {
    let partition = source.partitions()?.remove(0);
    let mut reader = source.open(&partition, from)?;
    let mut batch = ReadBatch::default();
    while reader.read(&mut batch)? != ReadStatus::End {}
    Ok(batch)
}

pub(super) fn shown(dir: &TempDir, batch: &ReadBatch<Ping>) -> String {
    let mut out = String::new();
    for (line, ping) in &batch.records {
        out += &format!("{line} {ping:?}\n");
    }
    for reject in &batch.rejects {
        let raw = String::from_utf8_lossy(&reject.raw[..reject.raw.len().min(40)]);
        out += &format!(
            "{} {}: {}\n    {raw}\n",
            reject.position,
            reject.reason.as_str(),
            reject.error
        );
    }
    out.replace(&format!("{}/", dir.path().display()), "")
}

#[test]
fn json_lines() {
    let dir = tempfile::tempdir().unwrap();
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(MAX_RECORD_BYTES));
    let text = [
        "\u{feff}{\"id\":\"a\",\"ts\":1,\"lat\":1.5}\r",
        "",
        r#"{"id":"b","ts":2}"#,
        " \r",
        &long,
        r#"[1]"#,
        r#"{"id":"c","ts":3,"lat":-1,"speed":2.5,"more":{}}"#,
    ];
    std::fs::write(dir.path().join("a.jsonl"), text.join("\n")).unwrap();
    let batch = read(&mut source_of(&dir, FileFormat::Jsonl), None).unwrap();
    expect![[r#"
        1 Ping { id: "a", ts: 1, lat: 1.5, speed: None }
        7 Ping { id: "c", ts: 3, lat: -1.0, speed: Some(2.5) }
        3 missing: a.jsonl:3: missing field `lat` at line 1 column 17
            {"id":"b","ts":2}
        5 too_large: a.jsonl:5: 1048585 bytes, the limit is 1048576
            {"id":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
        6 malformed: a.jsonl:6: expected a JSON object, found an array
            [1]
    "#]]
    .assert_eq(&shown(&dir, &batch));
}

#[test]
fn csv_rows() {
    let dir = tempfile::tempdir().unwrap();
    let text = "\u{feff}id,ts,lat,speed,note\r\n\
        a,1,1.5,,\"two\r\nlines\"\r\n\
        \"b, c\",2,-1,2.5,\r\n\
        d,3,,1,\r\n\
        e,4,north,1,\r\n\
        f,5,NaN,1,\r\n\
        g,-5,1,1,\r\n\
        h,6\r\n\
        ,7,1,1,\r\n\
        i,8,1,1,x";
    std::fs::write(dir.path().join("a.csv"), text).unwrap();
    let batch = read(&mut source_of(&dir, FileFormat::Csv), None).unwrap();
    expect![[r#"
        2 Ping { id: "a", ts: 1, lat: 1.5, speed: None }
        4 Ping { id: "b, c", ts: 2, lat: -1.0, speed: Some(2.5) }
        11 Ping { id: "i", ts: 8, lat: 1.0, speed: Some(1.0) }
        5 missing: a.csv:5: `lat`: is empty, expected a number
            d,3,,1,
        6 wrong_type: a.csv:6: `lat`: `north` is not a number
            e,4,north,1,
        7 out_of_range: a.csv:7: `lat`: `NaN` is not a finite number
            f,5,NaN,1,
        8 out_of_range: a.csv:8: `ts`: `-5` is not a whole number (u64)
            g,-5,1,1,
        9 malformed: a.csv:9: 2 values under 5 names
            h,6
        10 missing: a.csv:10: `id`: is empty, expected text
            ,7,1,1,
    "#]]
    .assert_eq(&shown(&dir, &batch));
}

#[test]
fn csv_files_that_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.csv");
    std::fs::write(&path, "id,ts,id\na,1,2\n").unwrap();
    let error = read(&mut source_of(&dir, FileFormat::Csv), None).unwrap_err();
    assert!(error.to_string().contains("two columns are named `id`"), "{error}");
}

#[test]
fn goes_on_from_every_position() {
    for (format, name, feed) in [
        (FileFormat::Jsonl, "a.jsonl", "\n"),
        (FileFormat::Csv, "a.csv", "\n"),
        (FileFormat::Csv, "a.csv", "\r\n"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let row = |n: usize| match format {
            FileFormat::Jsonl => format!(r#"{{"id":"a","ts":{n},"lat":1}}"#),
            FileFormat::Csv => format!("a,{n},1"),
        };
        let mut lines: Vec<String> = (0..40).map(row).collect();
        if format == FileFormat::Csv {
            lines.insert(0, "id,ts,lat".to_owned());
        }
        std::fs::write(dir.path().join(name), lines.join(feed)).unwrap();
        let all = read(&mut source_of(&dir, format), None).unwrap().records;
        assert_eq!(all.len(), 40);
        for at in 0..40 {
            let mut source = source_of(&dir, format);
            let partition = source.partitions().unwrap().remove(0);
            let mut pull = source.rows(&partition, None).unwrap();
            for _ in 0..=at {
                assert!(matches!(pull.pull().unwrap(), Pulled::Record(..)));
            }
            let rest = read(&mut source, Some(&pull.position().unwrap())).unwrap();
            assert_eq!(rest.records, all[at + 1..], "{format:?} {feed:?} after {at}");
        }
    }
}

#[test]
fn another_file_is_refused_on_resume() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    let row = "{\"id\":\"a\",\"ts\":1,\"lat\":1}\n";
    std::fs::write(&path, row.repeat(3)).unwrap();
    let position = read(&mut source_of(&dir, FileFormat::Jsonl), None).unwrap().next;
    for text in [row.repeat(2), format!(" {}", row.repeat(3))] {
        std::fs::write(&path, text).unwrap();
        let again = read(&mut source_of(&dir, FileFormat::Jsonl), Some(&position));
        let error = again.unwrap_err();
        assert!(error.to_string().contains("is not the file it was"), "{error}");
    }
    std::fs::remove_file(path).unwrap();
    let path = dir.path().join("a.csv");
    std::fs::write(&path, "id,ts,lat,speed\na,1,1,2\n").unwrap();
    let position = read(&mut source_of(&dir, FileFormat::Csv), None).unwrap().next;
    std::fs::write(&path, "id,ts,speed,lat\na,1,1,2\nb,1,1,2\n").unwrap();
    let error = read(&mut source_of(&dir, FileFormat::Csv), Some(&position)).unwrap_err();
    assert!(error.to_string().contains("has another header"), "{error}");
}

/// Lines that were taken, and those that were not with their bytes.
pub(super) fn accounted(batch: &ReadBatch<Ping>) -> BTreeMap<u64, Option<Vec<u8>>> {
    let records = batch.records.iter().map(|(line, _)| (*line, None));
    let rejects = batch.rejects.iter().map(|reject| (reject.position, Some(reject.raw.clone())));
    let all: BTreeMap<_, _> = records.chain(rejects).collect();
    assert_eq!(all.len(), batch.records.len() + batch.rejects.len(), "a line counts once");
    all
}
