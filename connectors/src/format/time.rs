//! Instants written as text.

use super::Rejection;
use waystream_engine::source::Reason;

/// Epoch milliseconds of an RFC 3339 instant; finer digits are cut towards the past.
pub(crate) fn rfc3339_ms(text: &str) -> Result<i64, Rejection> {
    match text.trim().parse::<jiff::Timestamp>() {
        Ok(instant) => Ok(instant.as_nanosecond().div_euclid(1_000_000) as i64),
        Err(error) => {
            let text: String = text.chars().take(64).collect();
            let error = format!("`{text}` is no RFC 3339 time: {error}");
            Err(Rejection::new(Reason::Malformed, error))
        }
    }
}
