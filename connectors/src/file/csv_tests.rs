//! CSV files that break the rules: what a quote, a header or a separator out of place costs.

use super::tests::{accounted, read, shown, source_of};
use super::{FileFormat, FileSource};
use expect_test::expect;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use waystream_engine::event::Data;
use waystream_engine::source::{ReadBatch, Source};

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
        ("semicolons", "id;ts;lat\na;1;1,5\nb;2;2,5\n"),
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
        semicolons
            a.csv has no column `id`, which the record needs: its first line is taken as the header, and it names id;ts;lat
            hint: write commas between values: ';' is none
    "#]].assert_eq(&out);
}

#[test]
fn a_header_of_very_many_names() {
    let names = (0..150_000).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    let text = format!("id,ts,lat,{names}\na,1,1{}\n", ",".repeat(150_000));
    assert_eq!(csv(&text).matches("Ping {").count(), 1);
    assert!(csv(&format!("{names},7\n")).contains("two columns are named `7`"));
    let short = csv(&format!("id,ts,lat,{names}\n{}", "a,1,1\n".repeat(30_000)));
    assert_eq!(short.matches("malformed").count(), 30_000);
}

#[test]
fn a_short_row_has_no_say_on_the_columns() {
    let shown = csv("id,ts,lat\na\nb,2,2\n");
    assert!(shown.contains("2 malformed: a.csv:2: 1 values under 3 names"), "{shown}");
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
