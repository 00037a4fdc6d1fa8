//! Instants written as text.

use super::{Rejection, beginning};
use jiff::civil::{DateTime, date};
use jiff::fmt::temporal::Pieces;
use waystream_engine::source::Reason;

const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

/// Epoch milliseconds of an RFC 3339 instant, the last of the year 9999 among them; finer digits are
/// cut towards the past.
///
/// # Errors
/// If it is none, or says no offset from UTC.
///
/// ```
/// use waystream_connectors::format::rfc3339_ms;
///
/// assert_eq!(rfc3339_ms("1970-01-01T01:00:00.25+01:00"), Ok(250));
/// assert!(rfc3339_ms("1970-01-01T01:00:00").is_err());
/// ```
pub fn rfc3339_ms(text: &str) -> Result<i64, Rejection> {
    let text = text.trim();
    let wrong = |why: String| {
        let text = beginning(text);
        Rejection::new(Reason::Malformed, format!("`{text}` is no RFC 3339 time: {why}"))
    };
    let pieces = Pieces::parse(text).map_err(|error| wrong(error.to_string()))?;
    let time = pieces.time().ok_or_else(|| wrong("it has no time of day".to_owned()))?;
    let offset = pieces.to_numeric_offset();
    let offset = offset.ok_or_else(|| wrong("it has no offset: write Z or +01:00".to_owned()))?;
    // A civil time, because jiff's instants end 26 hours before the year 9999 does.
    let since = pieces.date().to_datetime(time).duration_since(EPOCH);
    let ms = since.as_nanos().div_euclid(1_000_000) as i64;
    Ok(ms - i64::from(offset.seconds()) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn texts() {
        let mut out = String::new();
        for text in [
            "9999-12-31T23:59:59.999Z",
            "9999-12-31T23:59:59-14:00",
            "0001-01-01T00:00:00Z",
            "1969-12-31T23:59:59.9999Z",
            " 2024-02-29T13:00:00.123+01:00 ",
            "2024-02-29t12:00:00z",
            "2016-12-31T23:59:60Z",
            "2024-02-29T12:00:00",
            "2024-02-29",
            "2023-02-29T12:00:00Z",
            "10000-01-01T00:00:00Z",
            "yesterday",
        ] {
            let read = rfc3339_ms(text).map_or_else(|no| no.error, |ms| ms.to_string());
            out += &format!("{text}: {read}\n");
        }
        expect![[r#"
            9999-12-31T23:59:59.999Z: 253402300799999
            9999-12-31T23:59:59-14:00: 253402351199000
            0001-01-01T00:00:00Z: -62135596800000
            1969-12-31T23:59:59.9999Z: -1
             2024-02-29T13:00:00.123+01:00 : 1709208000123
            2024-02-29t12:00:00z: 1709208000000
            2016-12-31T23:59:60Z: 1483228799000
            2024-02-29T12:00:00: `2024-02-29T12:00:00` is no RFC 3339 time: it has no offset: write Z or +01:00
            2024-02-29: `2024-02-29` is no RFC 3339 time: it has no time of day
            2023-02-29T12:00:00Z: `2023-02-29T12:00:00Z` is no RFC 3339 time: parsed date is not valid: parameter 'day' for `2023-02` is invalid, must be in range `1..=28`
            10000-01-01T00:00:00Z: `10000-01-01T00:00:00Z` is no RFC 3339 time: failed to parse two digit integer as month: invalid digit, expected 0-9 but got -
            yesterday: `yesterday` is no RFC 3339 time: failed to parse four digit integer as year: invalid digit, expected 0-9 but got y
        "#]].assert_eq(&out);
    }
}
