//! Files that lie about themselves, and archives that hold more than their rows.

use super::{numbers, outcome, pings, read, source_of, texts, write, write_with};
use crate::parquet::file::open;
use crate::parquet::tests::Ping;
use crate::source::{Pull, Pulled};
use arrow::array::{ArrayRef, BinaryArray, StringArray};
use arrow::buffer::{Buffer, OffsetBuffer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expect_test::expect;
use parquet::basic::Compression;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// Two rows with a checksum for every page, as pyarrow writes them.
const WITH_CHECKSUMS: &str = "UEFSMRUAFSAVIBWY0qiyAxwVBBUAFQYVBhwAAAACAAAABAEBAAAAYQEAAABiFQAVLBUs\
    Fe20qJwDHBUEFQAVBhUGHAAAAAIAAAAEAQEAAAAAAAAAAgAAAAAAAAAVABUsFSwVwfDe0gIcFQQVABUGFQYcAAAAAgAAAAQB\
    AAAAAAAA+D8AAAAAAAAEQBUEGUw1ABgGc2NoZW1hFQYAFQwlAhgCaWQlAEwcAAAAFQQlAhgCdHMlEkyMERwcAAAAAAAVCiUC\
    GANsYXQAFgQZHBk8JgAcFQwZJQYAGRgCaWQVABYEFlIWUiYISRwVABUAFQIAPBYEGQYZJgAEAAAAJgAcFQQZJQYAGRgCdHMV\
    ABYEFl4WXiZaSRwVABUAFQIAPCkGGSYABAAAACYAHBUKGSUGABkYA2xhdBUAFgQWXhZeJrgBSRwVABUAFQIAPCkGGSYABAAA\
    ABaOAhYEJggWjgIAKCBwYXJxdWV0LWNwcC1hcnJvdyB2ZXJzaW9uIDI2LjAuMRk8HAAAHAAAHAAAAAIBAABQQVIx";

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn with_checksums() -> Vec<u8> {
    STANDARD.decode(WITH_CHECKSUMS).unwrap()
}

/// What reading these bytes as `a.parquet` gives.
fn outcome_of(bytes: &[u8]) -> String {
    let dir = dir();
    fs::write(dir.path().join("a.parquet"), bytes).unwrap();
    outcome(&dir, None, None)
}

/// Where the only place of these bytes is.
fn place_of(bytes: &[u8], part: &[u8]) -> usize {
    let mut places = bytes.windows(part.len()).enumerate().filter(|(_, window)| *window == part);
    let (at, _) = places.next().expect("the part is there");
    assert!(places.next().is_none());
    at
}

#[test]
fn a_flipped_bit_does_not_pass_a_checksum() {
    let mut bytes = with_checksums();
    assert_eq!(outcome_of(&bytes).lines().count(), 2);
    let at = place_of(&bytes, &1.5f64.to_le_bytes());
    bytes[at] ^= 1;
    let out = outcome_of(&bytes);
    assert!(out.contains("a.parquet is damaged in row group 0"), "{out}");
    assert!(out.contains("CRC"), "{out}");
}

/// A file whose page of `lat` claims one byte less than it unpacks to.
fn with_a_page_that_grew(properties: WriterPropertiesBuilder) -> Vec<u8> {
    let dir = dir();
    let path = dir.path().join("a.parquet");
    let mut columns = pings(&(0..50_000).collect::<Vec<_>>());
    // Values that cannot be packed, so that the page is large enough to be measured.
    let random = |n: u64| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 12) as f64 / 1e15;
    columns[2].1 = numbers((0..50_000).map(|n| Some(random(n))).collect());
    let properties = properties.set_dictionary_enabled(false);
    let properties = properties.set_data_page_row_count_limit(1 << 20).build();
    write_with(&path, &[columns], properties);
    let (_, metadata) = open(&path).unwrap();
    let page = metadata.metadata().row_group(0).column(2).data_page_offset() as usize;
    let mut bytes = fs::read(path).unwrap();
    // Kind, then the unpacked size as a varint whose low bits begin at the fourth byte.
    assert_eq!((bytes[page], bytes[page + 2]), (0x15, 0x15));
    assert!(bytes[page + 3] & 0x7f >= 2);
    bytes[page + 3] -= 2;
    bytes
}

#[test]
fn a_page_that_unpacks_to_more_than_it_claims_is_refused_before_it_is_read() {
    let packed = |codec| WriterProperties::builder().set_compression(codec);
    for properties in [
        packed(Compression::GZIP(Default::default())),
        packed(Compression::BROTLI(Default::default())),
        packed(Compression::BROTLI(Default::default()))
            .set_writer_version(WriterVersion::PARQUET_2_0),
    ] {
        let out = outcome_of(&with_a_page_that_grew(properties));
        let told = "error: cannot take a.parquet: column `lat` in row group 0 has a page that unpacks to more than the";
        assert!(out.starts_with(told), "{}", &out[..out.len().min(200)]);
    }
    let stored = outcome_of(&with_a_page_that_grew(packed(Compression::SNAPPY)));
    assert!(stored.starts_with("error: a.parquet is damaged in row group 0"), "{stored}");
}

#[test]
fn a_page_that_claims_gigabytes_is_refused_before_it_is_read() {
    let bytes = with_checksums();
    // The header of the page of `lat`: kind 0, then 22 bytes unpacked and 22 packed.
    let page = place_of(&bytes, &1.5f64.to_le_bytes()) - 31;
    let sizes = [0x15, 0x00, 0x15, 0x2c, 0x15, 0x2c];
    let at = page + place_of(&bytes[page - 4..page + 31], &sizes) - 4;
    let forged = [&bytes[..at + 3], &[0xfe, 0xff, 0xff, 0xff, 0x0f], &bytes[at + 4..]].concat();
    expect![[r#"
        error: cannot take a.parquet: column `lat` in row group 0 has a page of 2147483647 bytes, the limit is 268435456
         hint: if the file is sound, write it again with pages of about 1 MiB"#]]
    .assert_eq(&outcome_of(&forged));
}

/// The file with checksums, its page of `lat` claiming gigabytes behind these bytes of its header.
fn with_a_claim_behind(fields: &[u8]) -> String {
    let bytes = with_checksums();
    let page = place_of(&bytes, &1.5f64.to_le_bytes()) - 31;
    let sizes = [0x15, 0x00, 0x15, 0x2c, 0x15, 0x2c];
    let at = page + place_of(&bytes[page - 4..page + 31], &sizes) - 4;
    let claim = [0x05, 0x02, 0x00, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f];
    outcome_of(&[&bytes[..at], fields, &claim, &bytes[at + 4..]].concat())
}

#[test]
fn a_field_that_nobody_knows_hides_no_page() {
    let nested = |levels: usize| [vec![0xfc], vec![0x1c; levels - 1], vec![0; levels]].concat();
    for fields in [
        &[][..],
        &[0xf9, 0x23, 0x07, 0x07],
        &[0xf9, 0x00],
        &[0xfa, 0xf5, 0x02, 0x07, 0x07],
        &[0xfb, 0x00],
        &[0xfb, 0x01, 0x58, 0x07, 0x01, 0x00],
        &[[0xfd].as_slice(), &[7; 16]].concat(),
        &nested(63),
    ] {
        let out = with_a_claim_behind(fields);
        let told = "column `lat` in row group 0 has a page of 2147483647 bytes";
        assert!(out.contains(told), "{fields:x?}: {out}");
    }
    for fields in [&[0xfe][..], &[0xf9, 0x11], &nested(66)] {
        let out = with_a_claim_behind(fields);
        let told = "column `lat` in row group 0 has a page header that is not understood";
        assert!(out.contains(told), "{fields:x?}: {out}");
    }
}

#[test]
fn a_codec_that_cannot_be_read_is_named() {
    let mut bytes = with_checksums();
    let part = b"\x18\x03lat\x15\x00\x16\x04";
    let at = place_of(&bytes, part);
    bytes[at + 6] = 6;
    expect![[r#"
        error: cannot take a.parquet: column `lat` is compressed with LZO, which is not supported
         hint: repair or remove the file, or narrow the glob"#]]
    .assert_eq(&outcome_of(&bytes));
}

/// Most memory the process has had, in KiB, where the system tells.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

#[test]
fn a_flipped_bit_in_the_footer_is_no_panic_and_takes_no_memory() {
    let dir = dir();
    let path = dir.path().join("a.parquet");
    write(&path, &[pings(&[3, 1]), pings(&[2])]);
    let good = fs::read(&path).unwrap();
    let footer = open(&path).unwrap().1;
    let end_of_rows: i64 =
        footer.metadata().row_groups().iter().map(|group| group.compressed_size()).sum();
    let bits = (good.len() - 4 - end_of_rows as usize) * 8;
    let before = peak_kib();
    let mut state = 7u64;
    for _ in 0..1000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let bit = end_of_rows as usize * 8 + (state >> 20) as usize % bits;
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, bytes).unwrap();
        outcome(&dir, None, None);
    }
    // The system counts pages of threads with some delay, so a peak may seem to sink.
    let more = peak_kib().saturating_sub(before);
    assert!(more < 256 << 10, "{more} KiB more");
}

/// Texts of which some are not UTF-8, as a writer that does not look makes them.
fn unchecked(values: &[&[u8]]) -> ArrayRef {
    let offsets = OffsetBuffer::from_lengths(values.iter().map(|value| value.len()));
    let bytes = Buffer::from(values.concat());
    #[allow(unsafe_code, reason = "the way to what must not be in a text")]
    // SAFETY: the array is only written to a file, which copies its bytes.
    Arc::new(unsafe { StringArray::new_unchecked(offsets, bytes, None) })
}

#[test]
fn a_text_that_is_not_utf8_is_the_matter_of_its_row() {
    for dictionary in [true, false] {
        let dir = dir();
        let mut columns = pings(&[1, 2, 3]);
        columns[0].1 = unchecked(&[b"a", b"\xff\xfe", b"\xc3\xa4"]);
        let properties = WriterProperties::builder().set_dictionary_enabled(dictionary).build();
        write_with(&dir.path().join("a.parquet"), &[columns], properties);
        expect![[r#"
            0:0 Ping { id: "a", ts: 1, lat: 0.0, speed: None }
            0:1 malformed: a.parquet:1: `id`: is not UTF-8 {"id":"��","lat":1.0,"ts":2}
            0:2 Ping { id: "ä", ts: 3, lat: 2.0, speed: None }"#]]
        .assert_eq(&outcome(&dir, None, None));
    }
    let dir = dir();
    let mut columns = pings(&[1, 2]);
    columns[1].1 = unchecked(&[b"2024-02-29T12:00:00Z", b"\xff"]);
    write(&dir.path().join("a.parquet"), &[columns]);
    expect![[r#"
        0:0 Ping { id: "a", ts: 1709208000000, lat: 0.0, speed: None }
        0:1 malformed: a.parquet:1: `ts`: is not UTF-8 {"id":"a","lat":1.0,"ts":"�"}"#]]
    .assert_eq(&outcome(&dir, None, None));
}

#[test]
fn statistics_that_lie_lose_no_row() {
    let dir = dir();
    let path = dir.path().join("a.parquet");
    let (early, late) = (0x0102_0304_0506, 0x0202_0304_0506);
    write(&path, &[pings(&[late, late + 1]), pings(&[early])]);
    let right = outcome(&dir, None, None);
    let mut bytes = fs::read(&path).unwrap();
    let length = u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().unwrap()) as usize;
    let footer = bytes.len() - 8 - length;
    let mut lies = 0;
    for at in footer..bytes.len() - 16 {
        for (time, lie) in [(early, late + 9), (late, 1), (late + 1, 2)] {
            if bytes[at..at + 8] == i64::to_le_bytes(time) {
                bytes[at..at + 8].copy_from_slice(&i64::to_le_bytes(lie));
                lies += 1;
            }
        }
    }
    assert!(lies >= 4, "{lies}");
    fs::write(&path, bytes).unwrap();
    assert_eq!(outcome(&dir, None, None), right);
}

#[test]
fn shapes_are_bytes_that_nobody_looks_into() {
    let dir = dir();
    let deep = [1, 7, 0, 0, 0].repeat(10_000);
    let shapes = BinaryArray::from(vec![&b"\x01\x01\x00"[..], b"", &deep]);
    let mut columns = pings(&[1, 2, 3]);
    columns.push(("geometry", Arc::new(shapes)));
    write(&dir.path().join("a.parquet"), &[columns]);
    assert_eq!(outcome(&dir, None, None).lines().count(), 3);
    let out = outcome(&dir, Some("lat:geometry"), None);
    assert!(out.contains("column `geometry` is Binary, which does not fit the record"), "{out}");
}

#[test]
fn thousands_of_row_groups() {
    let dir = dir();
    let groups: Vec<_> = (0..2000).rev().map(|ts| pings(&[ts])).collect();
    write(&dir.path().join("a.parquet"), &groups);
    let lines = read(&mut source_of::<Ping>(&dir, None, None), None).unwrap();
    assert_eq!(lines.len(), 2000);
    assert!(lines[0].contains("ts: 0,") && lines[1999].contains("ts: 1999,"));
}

#[test]
fn names_of_folders_are_no_columns() {
    let dir = dir();
    let folder = dir.path().join("lat=77");
    fs::create_dir(&folder).unwrap();
    let mut columns = pings(&[1]);
    columns[2].1 = numbers(vec![Some(5.0)]);
    write(&folder.join("a.parquet"), &[columns]);
    assert_eq!(outcome(&dir, None, None), r#"0:0 Ping { id: "a", ts: 1, lat: 5.0, speed: None }"#);
}

#[test]
fn the_same_rows_in_two_files_are_rows_twice_but_a_second_name_is_none() {
    let dir = dir();
    let path = dir.path().join("a.parquet");
    write(&path, &[pings(&[1, 2])]);
    fs::hard_link(&path, dir.path().join("b.parquet")).unwrap();
    assert_eq!(outcome(&dir, None, None).lines().count(), 2);
    fs::copy(&path, dir.path().join("c.parquet")).unwrap();
    let out = outcome(&dir, None, None);
    assert_eq!(out.lines().count(), 4, "{out}");
    assert!(out.lines().nth(1).unwrap().starts_with("1:0 "), "{out}");
}

/// Reads the first row, puts `with` in the place of the file, and reads on.
fn read_while_changed(with: impl FnOnce(&Path)) -> String {
    let dir = dir();
    let path = dir.path().join("a.parquet");
    write(&path, &[pings(&[1, 2]), pings(&[3, 4])]);
    let mut source = source_of::<Ping>(&dir, None, None);
    let mut rows = source.rows(None).unwrap();
    assert!(matches!(rows.pull().unwrap(), Pulled::Record(..)));
    with(&path);
    loop {
        match rows.pull() {
            Ok(Pulled::End) => return "end".to_owned(),
            Ok(_) => {}
            Err(error) => {
                return error.to_string().replace(&format!("{}/", dir.path().display()), "");
            }
        }
    }
}

#[test]
fn a_file_that_is_changed_while_it_is_read_is_noticed() {
    let changed = "a.parquet was changed while it was read";
    assert_eq!(read_while_changed(|_| ()), "end");
    assert_eq!(read_while_changed(|path| fs::write(path, "PAR1").unwrap()), changed);
    // Another file of the same length.
    let replaced = read_while_changed(|path| {
        let mut columns = pings(&[3, 4]);
        columns[0].1 = texts(vec![Some("b"); 2]);
        let other = path.with_extension("other");
        write(&other, &[pings(&[1, 2]), columns]);
        assert_eq!(fs::metadata(&other).unwrap().len(), fs::metadata(path).unwrap().len());
        fs::rename(other, path).unwrap();
    });
    assert_eq!(replaced, changed);
    let gone = read_while_changed(|path| fs::remove_file(path).unwrap());
    assert!(gone.contains("cannot read a.parquet"), "{gone}");
}
