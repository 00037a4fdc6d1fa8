//! JSON: one object per record, refused with the reason and the field when it does not fit.
//!
//! The payload is looked at twice and parsed once: a pass for UTF-8 and the opening brace, then
//! the parser. Only what is refused is parsed again, to name the field.

use super::Rejection;
use serde::de::DeserializeOwned;
use waystream_engine::source::Reason;

/// The largest record that is decoded.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// Decodes one JSON object.
///
/// Nesting is limited to 128 levels in what the record keeps; what it ignores is skipped without
/// recursion.
///
/// # Errors
/// Why it cannot be taken.
#[inline]
pub fn decode_json<R: DeserializeOwned>(payload: &[u8]) -> Result<R, Rejection> {
    if payload.len() > MAX_RECORD_BYTES {
        return Err(Rejection::too_large(payload.len() as u64));
    }
    let text = std::str::from_utf8(payload).map_err(|error| {
        Rejection::new(Reason::Malformed, format!("not UTF-8 at byte {}", error.valid_up_to()))
    })?;
    let first = text.bytes().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(b'{') {
        return Err(not_an_object(first));
    }
    serde_json::from_str(text).map_err(|error| rejection_of::<R>(text, &error))
}

#[cold]
fn not_an_object(first: Option<u8>) -> Rejection {
    let found = match first {
        None => "nothing",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b'0'..=b'9' | b'-') => "a number",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(_) => "something else",
    };
    Rejection::new(Reason::Malformed, format!("expected a JSON object, found {found}"))
}

#[cold]
fn rejection_of<R: DeserializeOwned>(text: &str, error: &serde_json::Error) -> Rejection {
    use serde_json::error::Category;
    let message = error.to_string();
    let reason = match error.classify() {
        Category::Syntax if message.starts_with("recursion limit") => Reason::TooLarge,
        Category::Syntax if message.starts_with("number out of range") => Reason::OutOfRange,
        Category::Syntax | Category::Eof | Category::Io => Reason::Malformed,
        Category::Data => reason_of_data(&message),
    };
    let mut parser = serde_json::Deserializer::from_str(text);
    let path = match serde_path_to_error::deserialize::<_, R>(&mut parser) {
        Err(located) => located.path().to_string(),
        Ok(_) => String::new(),
    };
    let error = if path.is_empty()
        || path.contains(['?', '.']) && path.len() == 1
        || message.contains(&format!("`{path}`"))
    {
        message
    } else {
        format!("`{path}`: {message}")
    };
    Rejection::new(reason, error)
}

pub(crate) fn reason_of_data(message: &str) -> Reason {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| message.starts_with(prefix));
    if starts(&["missing field", "invalid type: null"]) {
        Reason::Missing
    } else if starts(&["invalid type"]) {
        Reason::WrongType
    } else if starts(&["duplicate field"]) {
        Reason::Malformed
    } else {
        Reason::OutOfRange
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde::Deserialize;
    use std::fmt::Write as _;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "read through Debug")]
    struct Ping {
        id: String,
        lat: f64,
        speed: Option<f32>,
        n: Option<u8>,
    }

    fn decode(payload: &[u8]) -> String {
        match decode_json::<Ping>(payload) {
            Ok(ping) => format!("{ping:?}"),
            Err(rejection) => format!("{}: {}", rejection.reason.as_str(), rejection.error),
        }
    }

    #[test]
    fn payloads() {
        let table: &[&[u8]] = &[
            br#"{"id":"a","lat":1.5,"x":[{}]}"#,
            br#" {"id":"a","lat":1,"speed":null}"#,
            b"",
            b"  ",
            b"null",
            br#"["a",1.5,null,null]"#,
            b"{\"id\":\"a\",\"lat\":1,\"x\":\"\xff\"}",
            br#"{"id":"a"}"#,
            br#"{"id":"a","lat":null}"#,
            br#"{"id":"a","lat":"1"}"#,
            br#"{"id":7,"lat":1}"#,
            br#"{"id":"a","lat":NaN}"#,
            br#"{"id":"a","lat":1e400}"#,
            br#"{"id":"a","lat":1,"n":300}"#,
            br#"{"id":"a","lat":1,"lat":2}"#,
            br#"{"id":"a","lat":1} {}"#,
            br#"{"id":"a","lat":1"#,
            br#"{'id':"a"}"#,
        ];
        let mut out = String::new();
        for payload in table {
            writeln!(out, "<{}>\n    {}", payload.escape_ascii(), decode(payload)).unwrap();
        }
        expect![[r#"
            <{\"id\":\"a\",\"lat\":1.5,\"x\":[{}]}>
                Ping { id: "a", lat: 1.5, speed: None, n: None }
            < {\"id\":\"a\",\"lat\":1,\"speed\":null}>
                Ping { id: "a", lat: 1.0, speed: None, n: None }
            <>
                malformed: expected a JSON object, found nothing
            <  >
                malformed: expected a JSON object, found nothing
            <null>
                malformed: expected a JSON object, found null
            <[\"a\",1.5,null,null]>
                malformed: expected a JSON object, found an array
            <{\"id\":\"a\",\"lat\":1,\"x\":\"\xff\"}>
                malformed: not UTF-8 at byte 23
            <{\"id\":\"a\"}>
                missing: missing field `lat` at line 1 column 10
            <{\"id\":\"a\",\"lat\":null}>
                missing: `lat`: invalid type: null, expected f64 at line 1 column 20
            <{\"id\":\"a\",\"lat\":\"1\"}>
                wrong_type: `lat`: invalid type: string "1", expected f64 at line 1 column 19
            <{\"id\":7,\"lat\":1}>
                wrong_type: `id`: invalid type: integer `7`, expected a string at line 1 column 7
            <{\"id\":\"a\",\"lat\":NaN}>
                malformed: `lat`: expected value at line 1 column 17
            <{\"id\":\"a\",\"lat\":1e400}>
                out_of_range: `lat`: number out of range at line 1 column 21
            <{\"id\":\"a\",\"lat\":1,\"n\":300}>
                out_of_range: `n`: invalid value: integer `300`, expected u8 at line 1 column 25
            <{\"id\":\"a\",\"lat\":1,\"lat\":2}>
                malformed: duplicate field `lat` at line 1 column 23
            <{\"id\":\"a\",\"lat\":1} {}>
                malformed: trailing characters at line 1 column 20
            <{\"id\":\"a\",\"lat\":1>
                malformed: EOF while parsing an object at line 1 column 17
            <{\'id\':\"a\"}>
                malformed: key must be a string at line 1 column 2
        "#]]
        .assert_eq(&out);
    }

    #[test]
    fn limits() {
        let deep = format!(r#"{{"id":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
        assert!(
            decode_json::<serde_json::Value>(deep.as_bytes())
                .is_err_and(|rejection| { rejection.reason == Reason::TooLarge })
        );
        let ignored =
            format!(r#"{{"id":"a","lat":1,"x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(decode_json::<Ping>(ignored.as_bytes()).is_ok());
        let long = format!(r#"{{"id":"{}"}}"#, "a".repeat(MAX_RECORD_BYTES));
        assert!(decode(long.as_bytes()).starts_with("too_large"));
    }

    proptest::proptest! {
        /// Written with all 17 digits, a number comes back as the very same double.
        #[test]
        fn numbers_are_read_exactly(lat in -90.0f64..90.0) {
            let payload = format!(r#"{{"id":"a","lat":{lat:.17}}}"#);
            let ping = decode_json::<Ping>(payload.as_bytes()).expect("a ping");
            let nearest: f64 = format!("{lat:.17}").parse().expect("a number");
            proptest::prop_assert_eq!(ping.lat.to_bits(), nearest.to_bits());
        }
    }
}
