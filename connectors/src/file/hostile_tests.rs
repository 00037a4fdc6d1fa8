//! Whatever bytes a text file holds: each record is taken or becomes a dead letter with its bytes.

use super::tests::{Ping, accounted, read, shown, source_of};
use super::{FileFormat, FileSource};
use crate::source::Pulled;
use expect_test::expect;
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use waystream_engine::source::{ReadBatch, Source};

const GOOD: &str = r#"{"id":"a","ts":1,"lat":1.5,"speed":2.5,"more":{"x":[1,"\u00e4"]}}"#;

/// A line made of a good one: bytes replaced, the end cut off, or another in its place.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("it would end the line", |byte| *byte != b'\n');
    let edits = prop::collection::vec((0..GOOD.len(), byte.clone()), 0..4);
    let edited = (edits, 0..=GOOD.len()).prop_map(|(edits, length)| {
        let mut line = GOOD.as_bytes().to_vec();
        edits.into_iter().for_each(|(at, byte)| line[at] = byte);
        line.truncate(length);
        line
    });
    prop_oneof![4 => edited, 1 => prop::collection::vec(byte, 0..40), 1 => Just(GOOD.into())]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn every_json_line_is_a_record_or_a_dead_letter(lines in prop::collection::vec(any_line(), 1..30)) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.jsonl"), lines.join(&b'\n')).unwrap();
        let batch = match read(&mut source_of(&dir, FileFormat::Jsonl), None) {
            Ok(batch) => batch,
            Err(error) => {
                prop_assert!(error.what.ends_with("and is to be UTF-8 text"), "{}", error);
                return Ok(());
            }
        };
        let found = accounted(&batch);
        let mut expected = 0;
        for (number, line) in (1..).zip(&lines) {
            let line = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 1).unwrap_or(line);
            if line.iter().all(u8::is_ascii_whitespace) {
                prop_assert!(!found.contains_key(&number));
                continue;
            }
            expected += 1;
            if let Some(raw) = &found[&number] {
                prop_assert_eq!(raw, line);
            } else {
                prop_assert!(serde_json::from_slice::<Ping>(line).is_ok());
            }
        }
        prop_assert_eq!(found.len(), expected);
    }

    #[test]
    fn csv_of_any_bytes_is_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.csv"), [b"id,ts,lat,speed\n".to_vec(), bytes].concat()).unwrap();
        let batch = read(&mut source_of(&dir, FileFormat::Csv), None).unwrap();
        accounted(&batch);
    }
}

#[test]
fn csv_rows_that_cannot_be_taken_keep_their_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let rows: [&[u8]; 12] = [
        b"\xef\xbb\xbfid,ts,lat",
        b"a,1,1",
        b"\"b\",2,\"\"",
        b"c\xff,3,1",
        b"d,4,1e400",
        b"e,99999999999999999999,1",
        b"f,5.5,1",
        b"g, 6 ,0x1",
        b"\"h\ni\",7,x",
        b"j,8,1,9",
        b"",
        b"k\0,9,1",
    ];
    fs::write(dir.path().join("a.csv"), rows.join(&b"\r\n"[..])).unwrap();
    let batch = read(&mut source_of(&dir, FileFormat::Csv), None).unwrap();
    expect![[r#"
        2 Ping { id: "a", ts: 1, lat: 1.0, speed: None }
        13 Ping { id: "k\0", ts: 9, lat: 1.0, speed: None }
        3 missing: a.csv:3: `lat`: is empty, expected a number
            "b",2,""
        4 malformed: a.csv:4: `id`: is not UTF-8
            c�,3,1
        5 out_of_range: a.csv:5: `lat`: `1e400` is not a finite number
            d,4,1e400
        6 out_of_range: a.csv:6: `ts`: `99999999999999999999` is not a whole number (u64)
            e,99999999999999999999,1
        7 wrong_type: a.csv:7: `ts`: `5.5` is not a whole number (u64)
            f,5.5,1
        8 wrong_type: a.csv:8: `lat`: `0x1` is not a number
            g, 6 ,0x1
        9 wrong_type: a.csv:9: `lat`: `x` is not a number (in lines 9 to 10, joined by a quote)
            "h
        i",7,x
        11 malformed: a.csv:11: 4 values under 3 names
            j,8,1,9
    "#]]
    .assert_eq(&shown(&dir, &batch));
    let refused = [2, 3, 4, 5, 6, 7, 8, 9].map(|at| rows[at].to_vec());
    let raw: Vec<Vec<u8>> = batch.rejects.iter().map(|reject| reject.raw.clone()).collect();
    assert_eq!(raw, refused);
}

#[test]
fn files_without_a_row() {
    let dir = tempfile::tempdir().unwrap();
    for (name, format, text) in [
        ("a.jsonl", FileFormat::Jsonl, ""),
        ("a.jsonl", FileFormat::Jsonl, "\u{feff}"),
        ("a.jsonl", FileFormat::Jsonl, "\n\r\n \n"),
        ("a.csv", FileFormat::Csv, ""),
        ("a.csv", FileFormat::Csv, "id,ts,lat"),
        ("a.csv", FileFormat::Csv, "\u{feff}id,ts,lat\r\n\r\n"),
    ] {
        fs::write(dir.path().join(name), text).unwrap();
        let batch = read(&mut source_of(&dir, format), None).unwrap();
        assert!(batch.records.is_empty() && batch.rejects.is_empty(), "{text:?}");
    }
}

/// Reads a file from the position after its third row, once something has happened to it.
fn resumed_after(happened: impl FnOnce(&Path)) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    fs::write(&path, [GOOD; 3].join("\n") + "\n").unwrap();
    let mut source = source_of(&dir, FileFormat::Jsonl);
    let position = read(&mut source, None).unwrap().next;
    happened(&path);
    let partition = source.partitions().unwrap().remove(0);
    let told = match open_and_read(&mut source, &partition, &position) {
        Ok(records) => format!("{records} more"),
        Err(error) => format!("{error} / {}", error.hint.clone().unwrap_or_default()),
    };
    told.replace(&format!("{}/", dir.path().display()), "")
}

fn open_and_read(
    source: &mut FileSource<Ping>,
    partition: &waystream_engine::source::Partition,
    position: &waystream_engine::source::Position,
) -> waystream_engine::error::Result<usize> {
    let mut batch = ReadBatch::default();
    source.open(partition, Some(position))?.read(&mut batch)?;
    Ok(batch.records.len())
}

#[test]
fn files_that_change_between_runs() {
    let appended = resumed_after(|path| {
        let text = fs::read_to_string(path).unwrap();
        fs::write(path, text + GOOD).unwrap();
    });
    let cut = resumed_after(|path| fs::write(path, GOOD).unwrap());
    let emptied = resumed_after(|path| fs::write(path, "").unwrap());
    let gone = resumed_after(|path| fs::remove_file(path).unwrap());
    let folder = resumed_after(|path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    });
    expect![[r#"
        1 more
        a.jsonl is not the file it was: the job had read 198 bytes up to the end of line 3, and now it has 65 bytes and no line ends there / put the file back, or start over with --fresh
        a.jsonl is not the file it was: the job had read 198 bytes up to the end of line 3, and now it has 0 bytes and no line ends there / put the file back, or start over with --fresh
        cannot read a.jsonl: No such file or directory (os error 2) / put the file back, or start over with --fresh
        cannot read a.jsonl: Is a directory (os error 21) / name an ordinary file on a disk: a folder, a pipe, a device or /proc cannot do this"#]].assert_eq(&[appended, cut, emptied, gone, folder].join("\n"));
}

#[test]
fn a_file_that_is_cut_while_it_is_read_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    // More than is read at once.
    fs::write(&path, (GOOD.to_owned() + "\n").repeat(10_000)).unwrap();
    let mut source = source_of(&dir, FileFormat::Jsonl);
    let partition = source.partitions().unwrap().remove(0);
    let mut rows = source.rows(&partition, None).unwrap();
    rows.pull().unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(400_000 / (GOOD.len() as u64 + 1) * (GOOD.len() as u64 + 1)).unwrap();
    let error = loop {
        match rows.pull() {
            Ok(pulled) => assert!(matches!(pulled, Pulled::Record(..)), "the file is shorter"),
            Err(error) => break error,
        }
    };
    let told = format!("{error} / {}", error.hint.clone().unwrap_or_default());
    expect!["cannot read a.jsonl: it was cut while it was read / put the file back, or start over with --fresh"]
        .assert_eq(&told.replace(&format!("{}/", dir.path().display()), ""));
}

#[test]
fn what_is_no_text_is_refused_whole() {
    let kinds: [&[u8]; 9] = [
        b"\x1f\x8b\x08\0\0",
        b"\x28\xb5\x2f\xfd\0",
        b"PK\x03\x04\0",
        b"PAR1\x15\0",
        b"\xff\xfe\0\0{\0\0\0",
        b"{\0\"\0",
        b"\0{\0\"",
        b"\xff\xfe{\0",
        b"\xfe\xff\0{",
    ];
    let mut out = String::new();
    for bytes in kinds {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.jsonl"), bytes).unwrap();
        let error = read(&mut source_of(&dir, FileFormat::Jsonl), None).unwrap_err();
        let told = format!("{error} / {}\n", error.hint.clone().unwrap_or_default());
        out += &told.replace(&format!("{}/", dir.path().display()), "");
    }
    expect![[r#"
        a.jsonl is compressed with gzip, and is to be UTF-8 text / unpack it: gunzip FILE
        a.jsonl is compressed with zstd, and is to be UTF-8 text / unpack it: unzstd FILE
        a.jsonl is a zip archive, and is to be UTF-8 text / unpack it: unzip FILE
        a.jsonl is a Parquet file, and is to be UTF-8 text / name it by parquet:FILE
        a.jsonl is UTF-32, and is to be UTF-8 text / convert it: iconv -f UTF-32 -t UTF-8 FILE
        a.jsonl is UTF-16, and is to be UTF-8 text / convert it: iconv -f UTF-16LE -t UTF-8 FILE
        a.jsonl is UTF-16, and is to be UTF-8 text / convert it: iconv -f UTF-16BE -t UTF-8 FILE
        a.jsonl is UTF-16, and is to be UTF-8 text / convert it: iconv -f UTF-16 -t UTF-8 FILE
        a.jsonl is UTF-16, and is to be UTF-8 text / convert it: iconv -f UTF-16 -t UTF-8 FILE
    "#]]
    .assert_eq(&out);
}
