//! The many ways in which an archive may hold the same value.

use super::{numbers, outcome, pings, texts, write, write_with};
use arrow::array::{
    ArrayRef, BinaryArray, Date32Array, Decimal128Array, DictionaryArray, Float16Array,
    Float32Array, Int64Array, LargeStringArray, StringViewArray, TimestampMicrosecondArray,
    TimestampNanosecondArray, TimestampSecondArray,
};
use arrow::datatypes::Int32Type;
use expect_test::expect;
use parquet::basic::{Encoding, Type as PhysicalType};
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType as Type, DoubleType, Int96, Int96Type,
};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use std::fs::File;
use std::sync::Arc;

/// 2024-02-29T12:00:00.123Z and one second before it.
const MS: [i64; 2] = [1_709_208_000_123, 1_709_207_999_123];

#[test]
fn event_times() {
    let scaled = |factor: i64| MS.map(|ms| ms * factor + i64::from(factor > 1)).to_vec();
    let seconds = MS.map(|ms| ms / 1000).to_vec();
    let us = || TimestampMicrosecondArray::from(scaled(1000));
    let ns = TimestampNanosecondArray::from(scaled(1_000_000));
    let year_9999 = TimestampMicrosecondArray::from(vec![253_402_300_799_000_000, 0]);
    let before_1970 = TimestampNanosecondArray::from(vec![-1, -1_000_001]);
    let table: Vec<(&str, ArrayRef, Option<&str>)> = vec![
        ("s", Arc::new(TimestampSecondArray::from(seconds).with_timezone("UTC")), None),
        ("us", Arc::new(us().with_timezone("UTC")), None),
        ("ns", Arc::new(ns.with_timezone("+02:00")), None),
        ("local", Arc::new(us()), None),
        ("local as UTC", Arc::new(us()), Some("UTC")),
        ("local in Berlin", Arc::new(us()), Some("Europe/Berlin")),
        ("integer", Arc::new(Int64Array::from(MS.to_vec())), None),
        ("date", Arc::new(Date32Array::from(vec![19_782, 19_781])), None),
        (
            "text",
            texts(vec![Some("2024-02-29T13:00:00.123+01:00"), Some("2024-02-29T11:59:59.123Z")]),
            None,
        ),
        ("bad text", texts(vec![Some("yesterday"), Some("2024-02-29T11:59:59.123Z")]), None),
        ("year 9999", Arc::new(year_9999.with_timezone("UTC")), None),
        ("before 1970", Arc::new(before_1970.with_timezone("UTC")), None),
    ];
    let mut out = String::new();
    for (name, ts, zone) in table {
        let dir = tempfile::tempdir().unwrap();
        let mut columns = pings(&[1, 2]);
        columns[1].1 = ts;
        write(&dir.path().join("a.parquet"), &[columns]);
        out += &format!("{name}\n{}\n", outcome(&dir, None, zone));
    }
    expect![[r#"
        s
        0:1 Ping { id: "a", ts: 1709207999000, lat: 1.0, speed: None }
        0:0 Ping { id: "a", ts: 1709208000000, lat: 0.0, speed: None }
        us
        0:1 Ping { id: "a", ts: 1709207999123, lat: 1.0, speed: None }
        0:0 Ping { id: "a", ts: 1709208000123, lat: 0.0, speed: None }
        ns
        0:1 Ping { id: "a", ts: 1709207999123, lat: 1.0, speed: None }
        0:0 Ping { id: "a", ts: 1709208000123, lat: 0.0, speed: None }
        local
        error: a.parquet: column `ts` (field `ts`) has local times without a time zone
         hint: say which zone they are in: add time-zone=UTC to the URL
        local as UTC
        0:1 Ping { id: "a", ts: 1709207999123, lat: 1.0, speed: None }
        0:0 Ping { id: "a", ts: 1709208000123, lat: 0.0, speed: None }
        local in Berlin
        0:1 Ping { id: "a", ts: 1709204399123, lat: 1.0, speed: None }
        0:0 Ping { id: "a", ts: 1709204400123, lat: 0.0, speed: None }
        integer
        0:1 Ping { id: "a", ts: 1709207999123, lat: 1.0, speed: None }
        0:0 Ping { id: "a", ts: 1709208000123, lat: 0.0, speed: None }
        date
        0:1 Ping { id: "a", ts: 1709078400000, lat: 1.0, speed: None }
        0:0 Ping { id: "a", ts: 1709164800000, lat: 0.0, speed: None }
        text
        0:1 Ping { id: "a", ts: 1709207999123, lat: 1.0, speed: None }
        0:0 Ping { id: "a", ts: 1709208000123, lat: 0.0, speed: None }
        bad text
        0:0 malformed: a.parquet:0: `ts`: `yesterday` is no RFC 3339 time: failed to parse four digit integer as year: invalid digit, expected 0-9 but got y {"id":"a","lat":0.0,"ts":"yesterday"}
        0:1 Ping { id: "a", ts: 1709207999123, lat: 1.0, speed: None }
        year 9999
        0:1 Ping { id: "a", ts: 0, lat: 1.0, speed: None }
        0:0 Ping { id: "a", ts: 253402300799000, lat: 0.0, speed: None }
        before 1970
        0:1 Ping { id: "a", ts: -2, lat: 1.0, speed: None }
        0:0 Ping { id: "a", ts: -1, lat: 0.0, speed: None }
    "#]].assert_eq(&out);
}

#[test]
fn texts_and_numbers() {
    let ids: Vec<ArrayRef> = vec![
        Arc::new(LargeStringArray::from(vec!["a", "b"])),
        Arc::new(StringViewArray::from(vec!["a", "b"])),
        Arc::new(vec!["a", "b"].into_iter().collect::<DictionaryArray<Int32Type>>()),
        Arc::new(BinaryArray::from(vec![&b"a"[..], b"b"])),
        Arc::new(BinaryArray::from(vec![&b"a"[..], b"\xff"])),
    ];
    let halves: Float16Array = Float32Array::from(vec![0.5, 1.5]).unary(|v| {
        <arrow::datatypes::Float16Type as arrow::datatypes::ArrowPrimitiveType>::Native::from_f32(v)
    });
    let decimals = Decimal128Array::from(vec![40_123_456, -1]).with_precision_and_scale(9, 6);
    let lats: Vec<ArrayRef> = vec![
        Arc::new(Float32Array::from(vec![0.1, 1.5])),
        Arc::new(halves),
        Arc::new(decimals.unwrap()),
    ];
    let mut out = String::new();
    let cases = ids.into_iter().map(|id| (0, id)).chain(lats.into_iter().map(|lat| (2, lat)));
    for (at, array) in cases {
        let dir = tempfile::tempdir().unwrap();
        let mut columns = pings(&[1, 2]);
        out += &format!("{}\n", array.data_type());
        columns[at].1 = array;
        write(&dir.path().join("a.parquet"), &[columns]);
        out += &outcome(&dir, None, None);
        out.push('\n');
    }
    expect![[r#"
        LargeUtf8
        0:0 Ping { id: "a", ts: 1, lat: 0.0, speed: None }
        0:1 Ping { id: "b", ts: 2, lat: 1.0, speed: None }
        Utf8View
        0:0 Ping { id: "a", ts: 1, lat: 0.0, speed: None }
        0:1 Ping { id: "b", ts: 2, lat: 1.0, speed: None }
        Dictionary(Int32, Utf8)
        0:0 Ping { id: "a", ts: 1, lat: 0.0, speed: None }
        0:1 Ping { id: "b", ts: 2, lat: 1.0, speed: None }
        Binary
        0:0 Ping { id: "a", ts: 1, lat: 0.0, speed: None }
        0:1 Ping { id: "b", ts: 2, lat: 1.0, speed: None }
        Binary
        0:0 Ping { id: "a", ts: 1, lat: 0.0, speed: None }
        0:1 malformed: a.parquet:1: `id`: is not UTF-8 {"id":"�","lat":1.0,"ts":2}
        Float32
        0:0 Ping { id: "a", ts: 1, lat: 0.10000000149011612, speed: None }
        0:1 Ping { id: "a", ts: 2, lat: 1.5, speed: None }
        Float16
        0:0 Ping { id: "a", ts: 1, lat: 0.5, speed: None }
        0:1 Ping { id: "a", ts: 2, lat: 1.5, speed: None }
        Decimal128(9, 6)
        0:0 Ping { id: "a", ts: 1, lat: 40.123456, speed: None }
        0:1 Ping { id: "a", ts: 2, lat: -1e-6, speed: None }
    "#]]
    .assert_eq(&out);
}

#[test]
fn a_number_that_an_f32_cannot_hold_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut columns = pings(&[1, 2, 3, 4]);
    let speeds = vec![Some(3.4e38), Some(1e39), None, Some(f64::NEG_INFINITY)];
    columns.push(("speed", numbers(speeds)));
    write(&dir.path().join("a.parquet"), &[columns]);
    expect![[r#"
        0:0 Ping { id: "a", ts: 1, lat: 0.0, speed: Some(3.4e38) }
        0:1 out_of_range: a.parquet:1: `speed`: `1e39` is more than an f32 can hold {"id":"a","lat":1.0,"speed":1e+39,"ts":2}
        0:2 Ping { id: "a", ts: 3, lat: 2.0, speed: None }
        0:3 out_of_range: a.parquet:3: `speed`: `-inf` is not a finite number {"id":"a","lat":3.0,"speed":"-inf","ts":4}"#]]
    .assert_eq(&outcome(&dir, None, None));
}

#[test]
fn encodings_and_wrong_statistics() {
    let plain = || {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("a.parquet"), &[pings(&[3, 1, 2])]);
        outcome(&dir, None, None)
    };
    let builder = || WriterProperties::builder().set_dictionary_enabled(false);
    let table = [
        builder().set_column_encoding("ts".into(), Encoding::DELTA_BINARY_PACKED),
        builder().set_column_encoding("id".into(), Encoding::DELTA_BYTE_ARRAY),
        builder().set_column_encoding("lat".into(), Encoding::BYTE_STREAM_SPLIT),
        builder().set_writer_version(WriterVersion::PARQUET_2_0),
        builder().set_statistics_enabled(EnabledStatistics::None),
        WriterProperties::builder().set_dictionary_page_size_limit(1),
    ];
    for properties in table {
        let dir = tempfile::tempdir().unwrap();
        write_with(&dir.path().join("a.parquet"), &[pings(&[3, 1, 2])], properties.build());
        assert_eq!(outcome(&dir, None, None), plain());
    }
}

fn write_column<T: Type>(group: &mut SerializedRowGroupWriter<'_, File>, values: &[T::T]) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, None, None).unwrap();
    column.close().unwrap();
}

#[test]
fn int96_is_an_instant() {
    let dir = tempfile::tempdir().unwrap();
    let schema = "message m { required binary id (UTF8); required int96 ts; required double lat; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    assert_eq!(schema.get_fields()[1].get_physical_type(), PhysicalType::INT96);
    let file = File::create(dir.path().join("a.parquet")).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    write_column::<ByteArrayType>(&mut group, &[ByteArray::from("a"), ByteArray::from("b")]);
    // Julian day 2440588 is 1970-01-01, and 5373484 is 9999-12-31.
    let instant = |day: u32, ns: u64| {
        let mut value = Int96::new();
        value.set_data(ns as u32, (ns >> 32) as u32, day);
        value
    };
    let ts = [instant(5_373_484, 1_000_000), instant(2_440_589, 2_999_999)];
    write_column::<Int96Type>(&mut group, &ts);
    write_column::<DoubleType>(&mut group, &[1.0, 2.0]);
    group.close().unwrap();
    writer.close().unwrap();
    expect![[r#"
        0:1 Ping { id: "b", ts: 86400002, lat: 2.0, speed: None }
        0:0 Ping { id: "a", ts: 253402214400001, lat: 1.0, speed: None }"#]]
    .assert_eq(&outcome(&dir, None, None));
}
