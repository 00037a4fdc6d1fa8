//! Files that are no archive, or not one that fits: each is refused by name, with the reason.

use super::{Ping, numbers, outcome, pings, texts, times, write, write_with};
use arrow::array::{ArrayRef, Int32Array, ListArray, StructArray};
use arrow::datatypes::{DataType, Field, Int32Type};
use expect_test::{Expect, expect};
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::fs;
use std::sync::Arc;
use tempfile::TempDir;

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The bytes of a good file.
fn good() -> Vec<u8> {
    let dir = dir();
    let path = dir.path().join("good.parquet");
    write(&path, &[pings(&[3, 1]), pings(&[2])]);
    fs::read(path).unwrap()
}

fn check_bytes(table: Vec<(&str, Vec<u8>)>, expected: &Expect) {
    let mut out = String::new();
    for (name, bytes) in table {
        let dir = dir();
        fs::write(dir.path().join(format!("{name}.parquet")), bytes).unwrap();
        out += &outcome(&dir, None, None);
        out.push('\n');
    }
    expected.assert_eq(&out);
}

#[test]
fn broken_files() {
    let good = good();
    let with_footer = |length: [u8; 4]| {
        let mut bytes = good.clone();
        let at = bytes.len() - 8;
        bytes[at..at + 4].copy_from_slice(&length);
        bytes
    };
    let with_end = |mark: &[u8; 4]| [&good[..good.len() - 4], mark].concat();
    let mut no_pages = good.clone();
    no_pages[4..200].fill(0xff);
    let table = vec![
        ("empty", vec![]),
        ("mark", b"PAR1".to_vec()),
        ("unfinished", good[..good.len() / 2].to_vec()),
        ("cut-in-footer", [&good[..good.len() - 40], b"PAR1"].concat()),
        ("footer-too-long", with_footer([0, 0, 0, 1])),
        ("footer-4gib", with_footer([0xff; 4])),
        ("footer-empty", with_footer([0; 4])),
        ("encrypted", with_end(b"PARE")),
        ("no-end", with_end(b"XXXX")),
        ("csv", b"id,ts,lat\na,1,2\n".to_vec()),
        ("pages", no_pages),
    ];
    check_bytes(
        table,
        &expect![[r#"
        error: cannot take empty.parquet: it is empty (0 bytes)
         hint: repair or remove the file, or narrow the glob
        error: cannot take mark.parquet: it ends after 4 bytes; its writer was cut off
         hint: repair or remove the file, or narrow the glob
        error: cannot take unfinished.parquet: it has no footer: its writer was cut off, or the file is truncated
         hint: repair or remove the file, or narrow the glob
        error: cannot take cut-in-footer.parquet: its footer claims 1970369121 bytes, but the file has only 1574
         hint: repair or remove the file, or narrow the glob
        error: cannot take footer-too-long.parquet: its footer claims 16777216 bytes, but the file has only 1610
         hint: repair or remove the file, or narrow the glob
        error: cannot take footer-4gib.parquet: its footer claims 4294967295 bytes, but the file has only 1610
         hint: repair or remove the file, or narrow the glob
        error: cannot take footer-empty.parquet: its footer is damaged or from a newer writer: EOF: Unexpected EOF
         hint: repair or remove the file, or narrow the glob
        error: cannot take encrypted.parquet: its footer is encrypted, which is not supported
         hint: repair or remove the file, or narrow the glob
        error: cannot take no-end.parquet: it has no footer: its writer was cut off, or the file is truncated
         hint: repair or remove the file, or narrow the glob
        error: cannot take csv.parquet: it is not a Parquet file: it does not begin with `PAR1`
         hint: repair or remove the file, or narrow the glob
        error: cannot take pages.parquet: column `id` in row group 0 has a page header that is not understood
         hint: restore the file from a copy, or write it again with another writer
    "#]],
    );
}

#[test]
fn a_flipped_bit_is_no_panic() {
    let good = good();
    let dir = dir();
    let path = dir.path().join("a.parquet");
    let mut state = 1u64;
    for _ in 0..300 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bit = (state >> 20) as usize % (good.len() * 8);
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, bytes).unwrap();
        outcome(&dir, None, None);
    }
}

#[test]
fn nothing_in_it() {
    let dir = dir();
    assert!(outcome(&dir, None, None).contains("no file matches"));
    write(&dir.path().join("a.parquet"), &[pings(&[])]);
    assert_eq!(outcome(&dir, None, None), "");
    write(&dir.path().join("b.parquet"), &[pings(&[1]), pings(&[]), pings(&[2])]);
    assert_eq!(outcome(&dir, None, None).lines().count(), 2);
}

fn whole(values: Vec<i32>) -> ArrayRef {
    Arc::new(Int32Array::from(values))
}

#[test]
fn columns_that_do_not_fit() {
    let location: ArrayRef = Arc::new(StructArray::from(vec![(
        Arc::new(Field::new("lat", DataType::Float64, true)),
        numbers(vec![Some(1.5), Some(2.5)]),
    )]));
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
        Some(vec![Some(1)]),
        Some(vec![]),
    ]));
    let lat = |name: &'static str, array: ArrayRef| {
        let mut columns = pings(&[1, 2]);
        columns[2] = (name, array);
        columns
    };
    let ts = |array: ArrayRef| {
        let mut columns = pings(&[1, 2]);
        columns[1] = ("ts", array);
        columns
    };
    let mut twice = pings(&[1, 2]);
    twice.push(("lat", numbers(vec![None, None])));
    let good = || numbers(vec![Some(1.5), Some(2.5)]);
    type Case = (&'static str, Vec<(&'static str, ArrayRef)>, Option<&'static str>);
    let table: Vec<Case> = vec![
        ("no lat", lat("breite", good()), None),
        ("other case", lat("LAT", good()), None),
        ("mapped", lat("LAT", good()), Some("lat:LAT")),
        ("mapped to nothing", lat("LAT", good()), Some("lat:lat_deg")),
        ("nested", lat("location", location.clone()), Some("lat:location.lat")),
        ("nested, no such part", lat("location", location), Some("lat:location.lot")),
        ("text", lat("lat", texts(vec![Some("1.5"), None])), None),
        ("microdegrees", lat("lat", whole(vec![1_500_000, 2])), None),
        ("list", lat("lat", list), None),
        ("twice", twice, None),
        ("no ts", ts(texts(vec![None, None])), Some("ts:time")),
        ("ts as number", ts(good()), None),
    ];
    let mut out = String::new();
    for (name, columns, map) in table {
        let dir = dir();
        write(&dir.path().join("a.parquet"), &[columns]);
        out += &format!("{name}\n{}\n\n", outcome(&dir, map, None));
    }
    expect![[r#"
        no lat
        error: a.parquet has no column `lat`, which the record's field `lat` needs
         hint: name the column, as in map=lat:NAME; the file has id, ts, breite

        other case
        error: a.parquet has no column `lat`, which the record's field `lat` needs
         hint: if column `LAT` is meant, add map=lat:LAT to the URL

        mapped
        0:0 Ping { id: "a", ts: 1, lat: 1.5, speed: None }
        0:1 Ping { id: "a", ts: 2, lat: 2.5, speed: None }

        mapped to nothing
        error: a.parquet has no column `lat_deg`, which the record's field `lat` needs
         hint: name the column, as in map=lat:NAME; the file has id, ts, LAT

        nested
        0:0 Ping { id: "a", ts: 1, lat: 1.5, speed: None }
        0:1 Ping { id: "a", ts: 2, lat: 2.5, speed: None }

        nested, no such part
        error: a.parquet has no column `location.lot`, which the record's field `lat` needs
         hint: if column `location` is meant, add map=lat:location to the URL

        text
        error: a.parquet: column `lat` is Utf8, which does not fit the record: `lat`: invalid type: string "1.5", expected f64
         hint: convert the column, or name another: map=lat:NAME

        microdegrees
        error: a.parquet: column `lat` is Int32, which does not fit the record: `lat`: invalid type: a whole number, expected a floating one: it may count another unit, such as microdegrees
         hint: convert the column, or name another: map=lat:NAME

        list
        error: a.parquet: column `lat` is List(Int32), which does not fit the record: `lat`: invalid type: List(Int32) is not supported
         hint: convert the column, or name another: map=lat:NAME

        twice
        error: cannot take a.parquet: it has several columns named `lat`
         hint: repair or remove the file, or narrow the glob

        no ts
        error: a.parquet has no column `time`, which the record's field `ts` needs
         hint: name the column, as in map=ts:NAME; the file has id, ts, lat

        ts as number
        error: cannot take a.parquet: column `ts` is Float64, but event time (field `ts`) must be a timestamp, a date, integer milliseconds or RFC 3339 text
         hint: name another column, as in map=ts:NAME, or narrow the glob

    "#]].assert_eq(&out);
}

#[test]
fn values_that_cannot_be_taken_are_single_rows() {
    let dir = dir();
    let lat = vec![Some(1.0), None, Some(f64::NAN), Some(f64::INFINITY), Some(90.5), Some(-90.0)];
    let mut columns = pings(&[1, 2, 3, 4, 5, 6]);
    columns[2].1 = numbers(lat);
    columns.push(("speed", numbers(vec![None, None, None, None, None, Some(f64::NAN)])));
    columns.push(("unknown", whole(vec![1, 2, 3, 4, 5, 6])));
    write(&dir.path().join("a.parquet"), &[columns]);
    let mut nothing = pings(&[7, 8]);
    nothing[2].1 = numbers(vec![None, None]);
    write(&dir.path().join("b.parquet"), &[nothing]);
    expect![[r#"
        0:0 Ping { id: "a", ts: 1, lat: 1.0, speed: None }
        0:1 missing: a.parquet:1: `lat`: is null, expected f64 {"id":"a","lat":null,"speed":null,"ts":2}
        0:2 out_of_range: a.parquet:2: `lat`: `NaN` is not a finite number {"id":"a","lat":"NaN","speed":null,"ts":3}
        0:3 out_of_range: a.parquet:3: `lat`: `inf` is not a finite number {"id":"a","lat":"inf","speed":null,"ts":4}
        0:4 out_of_range: a.parquet:4: `lat`: 90.5 is not within -90..90 {"id":"a","lat":90.5,"speed":null,"ts":5}
        0:5 out_of_range: a.parquet:5: `speed`: `NaN` is not a finite number {"id":"a","lat":-90.0,"speed":"NaN","ts":6}
        1:0 missing: b.parquet:0: `lat`: is null, expected f64 {"id":"a","lat":null,"ts":7}
        1:1 missing: b.parquet:1: `lat`: is null, expected f64 {"id":"a","lat":null,"ts":8}"#]].assert_eq(&outcome(&dir, None, None));
}

#[test]
fn files_of_different_schemas() {
    let dir = dir();
    write(&dir.path().join("a.parquet"), &[pings(&[1, 3])]);
    let mut columns = pings(&[2, 4]);
    columns[0].1 = texts(vec![Some("b"), Some("b")]);
    columns[2].1 = Arc::new(arrow::array::Float32Array::from(vec![0.5, 1.5]));
    columns.push(("speed", numbers(vec![Some(1.5), None])));
    columns.reverse();
    write(&dir.path().join("b.parquet"), &[columns]);
    expect![[r#"
        0:0 Ping { id: "a", ts: 1, lat: 0.0, speed: None }
        1:0 Ping { id: "b", ts: 2, lat: 0.5, speed: Some(1.5) }
        0:1 Ping { id: "a", ts: 3, lat: 1.0, speed: None }
        1:1 Ping { id: "b", ts: 4, lat: 1.5, speed: None }"#]]
    .assert_eq(&outcome(&dir, None, None));
    write(&dir.path().join("c.parquet"), &[pings(&[5])[..2].to_vec()]);
    expect![[r#"
        error: c.parquet has no column `lat`, which the record's field `lat` needs
         hint: name the column, as in map=lat:NAME; the file has id, ts"#]]
    .assert_eq(&outcome(&dir, None, None));
}

#[test]
fn codecs() {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::BROTLI(Default::default()),
        Compression::ZSTD(Default::default()),
        Compression::LZ4_RAW,
    ];
    for codec in codecs {
        let dir = dir();
        let properties = WriterProperties::builder().set_compression(codec).build();
        write_with(&dir.path().join("a.parquet"), &[pings(&[2, 1])], properties);
        assert_eq!(outcome(&dir, None, None).lines().count(), 2, "{codec}");
    }
}

#[test]
fn the_record_here_has_the_fields_used_here() {
    let fields = crate::source::field_names::<Ping>();
    assert_eq!(fields, Some(&["id", "ts", "lat", "speed"][..]));
    assert_eq!(times(vec![None]).len(), 1);
}
