//! Whatever bytes a text file holds: each record is taken or becomes a dead letter with its bytes.

use super::tests::{Ping, read, shown, source_of};
use super::{FileFormat, FileSource};
use expect_test::expect;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use waystream_engine::event::Data;
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

fn accounted(batch: &ReadBatch<Ping>) -> BTreeMap<u64, Option<Vec<u8>>> {
    let records = batch.records.iter().map(|(line, _)| (*line, None));
    let rejects = batch.rejects.iter().map(|reject| (reject.position, Some(reject.raw.clone())));
    let all: BTreeMap<_, _> = records.chain(rejects).collect();
    assert_eq!(all.len(), batch.records.len() + batch.rejects.len(), "a line counts once");
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn every_json_line_is_a_record_or_a_dead_letter(lines in prop::collection::vec(any_line(), 1..30)) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.jsonl"), lines.join(&b'\n')).unwrap();
        let found = accounted(&read(&mut source_of(&dir, FileFormat::Jsonl), None).unwrap());
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
fn a_number_that_an_f32_cannot_hold_is_refused() {
    let shown = csv("id,ts,lat,speed\na,1,1,3.4e38\na,2,1,1e39\na,3,1,-1e39\na,4,1,inf\n");
    expect![[r#"
        2 Ping { id: "a", ts: 1, lat: 1.0, speed: Some(3.4e38) }
        3 out_of_range: a.csv:3: `speed`: `1e39` is more than an f32 can hold
            a,2,1,1e39
        4 out_of_range: a.csv:4: `speed`: `-1e39` is more than an f32 can hold
            a,3,1,-1e39
        5 out_of_range: a.csv:5: `speed`: `inf` is not a finite number
            a,4,1,inf
    "#]]
    .assert_eq(&shown);
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

/// What reading a CSV file gives.
fn csv(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.csv"), text).unwrap();
    match read(&mut source_of(&dir, FileFormat::Csv), None) {
        Ok(batch) => shown(&dir, &batch).replace('\r', "<CR>"),
        Err(error) => {
            let told = format!("{error}\n    hint: {}\n", error.hint.clone().unwrap_or_default());
            told.replace(&format!("{}/", dir.path().display()), "")
        }
    }
}

#[test]
fn a_quote_too_many_costs_its_line_alone() {
    let table = [
        ("never closed", "a,1,1\n\"b,2,2\nc,3,3\n"),
        ("closed by the next quote", "a,\"1,1\n\"b\",2,2\nc,3,3\n"),
        ("in the middle of a value", "a\"x,1,1\nb,2,2\n"),
        ("text behind it", "\"a\"x,1,1\nb,2,2\n"),
        ("two that make a row of too many", "a,1,\"1\nb,2,2\nc,3\",3\nd,4,4\n"),
        ("two that make a row", "a,1,\"1\nb,2,2\"\nd,4,4\n"),
        ("a carriage return alone", "a,1,1\rb,2,2\nc,3,3\n"),
        ("a value of two lines", "\"a\n,1\",1,1\nb,2,2\n"),
    ];
    let mut out = String::new();
    for (name, text) in table {
        out += &format!("{name}\n{}", csv(&format!("id,ts,lat\n{text}")));
    }
    expect![[r#"
        never closed
        2 Ping { id: "a", ts: 1, lat: 1.0, speed: None }
        4 Ping { id: "c", ts: 3, lat: 3.0, speed: None }
        3 malformed: a.csv:3: value 1: the quote opened in line 3 is not closed, or not within 64 lines and 1048576 bytes
            "b,2,2
        closed by the next quote
        3 Ping { id: "b", ts: 2, lat: 2.0, speed: None }
        4 Ping { id: "c", ts: 3, lat: 3.0, speed: None }
        2 malformed: a.csv:2: value 2: text behind the closing quote (in lines 2 to 3, joined by a quote)
            a,"1,1
        in the middle of a value
        3 Ping { id: "b", ts: 2, lat: 2.0, speed: None }
        2 malformed: a.csv:2: value 1: a quote in a value that does not begin with one
            a"x,1,1
        text behind it
        3 Ping { id: "b", ts: 2, lat: 2.0, speed: None }
        2 malformed: a.csv:2: value 1: text behind the closing quote
            "a"x,1,1
        two that make a row of too many
        3 Ping { id: "b", ts: 2, lat: 2.0, speed: None }
        5 Ping { id: "d", ts: 4, lat: 4.0, speed: None }
        2 malformed: a.csv:2: 4 values under 3 names (in lines 2 to 4, joined by a quote)
            a,1,"1
        4 malformed: a.csv:4: value 2: a quote in a value that does not begin with one
            c,3",3
        two that make a row
        4 Ping { id: "d", ts: 4, lat: 4.0, speed: None }
        2 wrong_type: a.csv:2: `lat`: `1
        b,2,2` is not a number (in lines 2 to 3, joined by a quote)
            a,1,"1
        b,2,2"
        a carriage return alone
        3 Ping { id: "c", ts: 3, lat: 3.0, speed: None }
        2 malformed: a.csv:2: value 3: a carriage return without a line feed, which ends no line
            a,1,1<CR>b,2,2
        a value of two lines
        2 Ping { id: "a\n,1", ts: 1, lat: 1.0, speed: None }
        4 Ping { id: "b", ts: 2, lat: 2.0, speed: None }
    "#]].assert_eq(&out);
}

#[test]
fn a_quote_left_open_is_looked_for_no_further_than_the_bound() {
    let long = format!("id,ts,lat\n\"a,1,1\n{}", "b,2,2\n".repeat(100));
    let shown = csv(&long);
    assert_eq!(shown.matches("Ping {").count(), 100, "{shown}");
    let told = "2 malformed: a.csv:2: value 1: the quote opened in line 2 is not closed";
    assert!(shown.contains(told), "{shown}");
    let lines = |count: usize| format!("id,ts,lat\n\"a{}\",1,1\n", "\n".repeat(count - 1));
    assert_eq!(csv(&lines(64)).matches("Ping {").count(), 1);
    assert!(csv(&lines(65)).contains("is not closed, or not within 64 lines"));
    let wide =
        format!("id,ts,lat\n\"{}\n{}\",1,1\nb,2,2\n", "x".repeat(600_000), "y".repeat(600_000));
    let shown = csv(&wide);
    assert_eq!((shown.matches("Ping {").count(), shown.matches("malformed").count()), (1, 2));
    let long = format!("id,ts,lat\na{},1,1\nb,2,2\n", "x".repeat(2 << 20));
    assert!(csv(&long).contains("2 too_large: a.csv:2: 2097157 bytes, the limit is 1048576"));
}

#[test]
fn how_long_a_line_is_does_not_depend_on_how_it_was_read() {
    for length in [1_048_577, 1_200_000, 2_000_000] {
        for before in [0, 30_000] {
            let line = "x".repeat(length);
            let shown = csv(&format!("id,ts,lat\r\n{}{line}\r\n", "b,2,2\r\n".repeat(before)));
            let told = format!("a.csv:{}: {} bytes, the limit", before + 2, length + 1);
            assert!(shown.contains(&told), "{told}: {:?}", shown.lines().nth(before));
        }
    }
}

#[test]
fn headers_that_are_none() {
    let table = [
        ("no header", "a,1,1.5\nb,2,2.5\n"),
        ("another name", "id,time,lat\na,1,1\n"),
        ("twice", "1,a,1\n2,b,2\n"),
        ("carriage returns alone", "id,ts,lat\ra,1,1\rb,2,2\r"),
        ("a quote", "id,\"ts,lat\na,1,1\n"),
    ];
    let out: String = table.map(|(name, text)| format!("{name}\n    {}", csv(text))).concat();
    expect![[r#"
        no header
            a.csv has no column `id`, which the record needs: its first line is taken as the header, and it names a, 1, 1.5
            hint: name the column `id` that holds it; if the file has no header, write one in front, of these names: id,ts,lat,speed
        another name
            a.csv has no column `ts`, which the record needs: its first line is taken as the header, and it names id, time, lat
            hint: name the column `ts` that holds it; if the file has no header, write one in front, of these names: id,ts,lat,speed
        twice
            a.csv: the first line, taken as the header: two columns are named `1`
            hint: write a first line that names each column once and ends in a line feed, as in id,ts,lat
        carriage returns alone
            a.csv: the first line, taken as the header: value 3: a carriage return without a line feed, which ends no line
            hint: write a first line that names each column once and ends in a line feed, as in id,ts,lat
        a quote
            a.csv: the first line, taken as the header: value 2: the quote opened in line 1 is not closed, or not within 64 lines and 1048576 bytes
            hint: write a first line that names each column once and ends in a line feed, as in id,ts,lat
    "#]].assert_eq(&out);
}

/// A record whose fields are not known before one is read.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    id: String,
    #[serde(flatten)]
    more: BTreeMap<String, String>,
}

/// A record that says of itself what serde says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
struct Picky;

impl TryFrom<BTreeMap<String, String>> for Picky {
    type Error = &'static str;

    fn try_from(values: BTreeMap<String, String>) -> Result<Self, &'static str> {
        values.contains_key("x").then_some(Self).ok_or("missing field `x`")
    }
}

fn told<R: Data>(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.csv"), text).unwrap();
    let pattern = dir.path().display().to_string();
    let mut source = FileSource::<R>::new(&pattern, FileFormat::Csv, None, None);
    let partition = source.partitions().unwrap().remove(0);
    let mut batch = ReadBatch::default();
    let read = source.open(&partition, None).and_then(|mut reader| reader.read(&mut batch));
    let told = match read {
        Ok(_) => format!("{} rejected", batch.rejects.len()),
        Err(error) => format!("{error} / {}", error.hint.clone().unwrap_or_default()),
    };
    told.replace(&format!("{}/", dir.path().display()), "")
}

#[test]
fn a_record_of_any_fields() {
    expect!["a.csv has no column `id`, which the record needs: its first line is taken as the header, and it names name, x / name the column `id` that holds it"].assert_eq(&told::<Open>("name,x\na,1\n"));
    assert_eq!(told::<Picky>("name\na\n"), "1 rejected");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    /// One quote somewhere: every other line is there as it was.
    #[test]
    fn a_stray_quote_takes_no_other_line(lines in 1usize..90, at in 0usize..90, column in 0usize..6) {
        let at = at % lines;
        let rows: Vec<String> = (0..lines).map(|n| format!("a,{n},1")).collect();
        let mut stray = rows.clone();
        let column = column.min(stray[at].len());
        stray[at].insert(column, '"');
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.csv"), format!("id,ts,lat\n{}", stray.join("\n"))).unwrap();
        let found = accounted(&read(&mut source_of(&dir, FileFormat::Csv), None).unwrap());
        let expected: BTreeMap<u64, Option<Vec<u8>>> = stray.iter().enumerate()
            .map(|(n, row)| (n as u64 + 2, (n == at).then(|| row.clone().into_bytes()))).collect();
        prop_assert_eq!(found, expected);
    }
}
