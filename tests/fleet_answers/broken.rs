//! Lines that are no position, each with the reason it must be refused for, and the dead letters
//! that they must become.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::path::Path;

/// A dead letter: partition, line, reason, bytes in base64.
pub type Letter = (String, u64, String, String);

/// Good lines to one broken line.
const GOOD_TO_ONE: usize = 19;
/// What a dead letter keeps of its record.
const RAW_BYTES_KEPT: usize = 16 * 1024;

/// The parts of a good line.
const ID: &str = r#""entity_id":"x""#;
const TS: &str = r#""ts":1593475200000"#;
const LAT: &str = r#""lat":40.5"#;
const LON: &str = r#""lon":-74"#;

/// Every kind of broken line.
fn kinds() -> Vec<(Vec<u8>, &'static str)> {
    let of = |fields: [&str; 4]| format!("{{{}}}", fields.join(","));
    let id = |text: &str| of([&format!(r#""entity_id":{text}"#), TS, LAT, LON]);
    let ts = |text: &str| of([ID, &format!(r#""ts":{text}"#), LAT, LON]);
    let lat = |text: &str| of([ID, TS, &format!(r#""lat":{text}"#), LON]);
    let good = || of([ID, TS, LAT, LON]);
    let cut = |text: &str| text[..text.len() - 1].to_owned();
    let deep = |depth: usize| "[".repeat(depth);
    let closed = format!("40,\"kind\":{}{}", deep(5000), "]".repeat(5000));
    let texts: Vec<(String, &'static str)> = vec![
        (format!("[\"x\",{},40,-74]", 1_593_475_200_000_u64), "malformed"),
        ("null".to_owned(), "malformed"),
        ("17".to_owned(), "malformed"),
        ("\"text\"".to_owned(), "malformed"),
        (cut(&good()), "malformed"),
        (good()[..20].to_owned(), "malformed"),
        (good() + " {}", "malformed"),
        (cut(&good()) + ",}", "malformed"),
        (cut(&good()) + ",\"lat\":1}", "malformed"),
        (format!("\u{feff}{}", good()), "malformed"),
        (id("\"a\0b\""), "malformed"),
        (id(r#""a\ud800b""#), "malformed"),
        (id(r#""a\xb""#), "malformed"),
        (lat("NaN"), "malformed"),
        (lat("01"), "malformed"),
        (lat("+1"), "malformed"),
        (lat("0x1"), "malformed"),
        (lat("1."), "malformed"),
        (lat(&format!("40,\"unknown\":{}", deep(20_000))), "malformed"),
        (id(r#""a\u0000b""#), "out_of_range"),
        (id("\"\""), "out_of_range"),
        (id(&format!("\"{}\"", "x".repeat(257))), "out_of_range"),
        (lat("1e400"), "out_of_range"),
        (lat(&"9".repeat(5000)), "out_of_range"),
        (lat("90.0000001"), "out_of_range"),
        (lat("-1e300"), "out_of_range"),
        (ts("\"2020-06-31T00:00:00Z\""), "out_of_range"),
        (ts("1593475200000000"), "out_of_range"),
        (ts("-9223372036854775808"), "out_of_range"),
        (lat("null"), "missing"),
        (of([ID, TS, LON, r#""x":1"#]), "missing"),
        ("{}".to_owned(), "missing"),
        (lat("\"40\""), "wrong_type"),
        (lat("[40]"), "wrong_type"),
        (lat("true"), "wrong_type"),
        (id("7"), "wrong_type"),
        (ts("1.5"), "wrong_type"),
        (lat(&closed), "wrong_type"),
    ];
    let mut kinds: Vec<_> =
        texts.into_iter().map(|(text, reason)| (text.into_bytes(), reason)).collect();
    kinds.push((b"\xff\xfe\0\x1f\x8b".to_vec(), "malformed"));
    kinds.push((b"{\"entity_id\":\"x\xff\",\"ts\":1,\"lat\":1,\"lon\":1}".to_vec(), "malformed"));
    let ignored = lat("1,\"unknown\":\"?\"").into_bytes();
    kinds.push((
        ignored.into_iter().map(|b| if b == b'?' { 0xc3 } else { b }).collect(),
        "malformed",
    ));
    kinds
}

/// The lines of a file with broken and empty ones between, and the dead letters of the broken.
pub fn mixed_into(
    lines: impl Iterator<Item = Vec<u8>>,
    path: &Path,
    file: usize,
) -> (Vec<u8>, Vec<Letter>) {
    let kinds = kinds();
    let too_long = (format!("{{\"entity_id\":\"{}\"}}", "x".repeat(1 << 20)), "too_large");
    let mut all: Vec<(Vec<u8>, Option<&str>)> = Vec::new();
    if file == 0 {
        all.push((too_long.0.into_bytes(), Some(too_long.1)));
    }
    for (number, line) in lines.enumerate() {
        all.push((line, None));
        if number % GOOD_TO_ONE == GOOD_TO_ONE - 1 {
            let (broken, reason) = &kinds[(number / GOOD_TO_ONE + file * 13) % kinds.len()];
            all.push((broken.clone(), Some(reason)));
        }
        if number % 100 == 0 {
            all.push((if number % 200 == 0 { Vec::new() } else { b" \t\r".to_vec() }, None));
        }
    }
    let partition = path.display().to_string();
    let letter = |(number, (line, reason)): (usize, &(Vec<u8>, Option<&str>))| {
        let raw = STANDARD.encode(&line[..line.len().min(RAW_BYTES_KEPT)]);
        Some((partition.clone(), number as u64 + 1, (*reason)?.to_owned(), raw))
    };
    let letters = all.iter().enumerate().filter_map(letter).collect();
    let lines: Vec<&[u8]> = all.iter().map(|(line, _)| line.as_slice()).collect();
    let text = lines.join(&b'\n');
    (if file == 1 { [b"\xef\xbb\xbf".to_vec(), text].concat() } else { text }, letters)
}
