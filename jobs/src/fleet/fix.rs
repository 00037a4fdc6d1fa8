//! The input of `fleet`: fixes, each the position of an entity at a time.

use compact_str::CompactString;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::ops::RangeInclusive;
use waystream_connectors::format::{Rejection, rfc3339_ms};
use waystream_operators::{Located, Moving, Position, Timestamp};

/// Longest allowed `entity_id`, in bytes.
const MAX_ID_BYTES: usize = 256;
/// The years 1 to 9999, in epoch milliseconds. What lies outside counts another unit, and would move
/// the watermark past everything else.
const TIMES_MS: RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// A position of an entity as it was reported. Unknown fields are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fix {
    /// Who.
    pub entity_id: CompactString,
    /// When, in the years 1 to 9999 of UTC: epoch milliseconds, or RFC 3339 text.
    #[serde(deserialize_with = "instant")]
    pub ts: i64,
    /// Degrees north, WGS84.
    pub lat: f64,
    /// Degrees east, WGS84.
    pub lon: f64,
    /// Metres per second.
    #[serde(default)]
    pub speed: Option<f32>,
    /// Degrees clockwise from north.
    #[serde(default)]
    pub heading: Option<f32>,
    /// What it is.
    #[serde(default)]
    pub kind: Option<CompactString>,
}

impl Fix {
    /// Event time.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        Timestamp(self.ts)
    }

    /// What the types cannot say: ranges of the fields.
    ///
    /// # Errors
    /// Names the field and what it allows.
    pub fn check(&self) -> Result<(), Rejection> {
        let refuse = |text: String| Err(Rejection::out_of_range(text));
        if self.entity_id.is_empty() || self.entity_id.len() > MAX_ID_BYTES {
            let length = self.entity_id.len();
            return refuse(format!("`entity_id`: {length} bytes, allowed are 1 to {MAX_ID_BYTES}"));
        }
        if self.entity_id.contains('\0') {
            return refuse("`entity_id`: it holds a NUL character".to_owned());
        }
        if !TIMES_MS.contains(&self.ts) {
            let ts = self.ts;
            return refuse(format!(
                "`ts`: {ts} ms is not in the years 1 to 9999; is the unit right?"
            ));
        }
        if !(-90.0..=90.0).contains(&self.lat) {
            return refuse(format!("`lat`: {} is not between -90 and 90", self.lat));
        }
        if !(-180.0..=180.0).contains(&self.lon) {
            return refuse(format!("`lon`: {} is not between -180 and 180", self.lon));
        }
        for (field, value) in [("speed", self.speed), ("heading", self.heading)] {
            if value.is_some_and(|value| !value.is_finite()) {
                return refuse(format!("`{field}`: it is not a finite number, as an f32 holds it"));
            }
        }
        Ok(())
    }
}

impl Located for Fix {
    /// The degrees are in range: the source takes no others, see [`Fix::check`].
    fn position(&self) -> Position {
        Position::clamped(self.lat, self.lon)
    }
}

impl Moving for Fix {
    fn speed(&self) -> Option<f64> {
        self.speed.map(f64::from)
    }
}

/// Epoch milliseconds from a whole number or from RFC 3339 text; a plain number in binary forms.
fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    if deserializer.is_human_readable() {
        deserializer.deserialize_any(Instant)
    } else {
        deserializer.deserialize_i64(Instant)
    }
}

struct Instant;

impl Visitor<'_> for Instant {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("epoch milliseconds or an RFC 3339 time")
    }

    fn visit_i64<E: de::Error>(self, ms: i64) -> Result<i64, E> {
        Ok(ms)
    }

    fn visit_u64<E: de::Error>(self, ms: u64) -> Result<i64, E> {
        i64::try_from(ms).map_err(|_| E::custom("later than time can be counted"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<i64, E> {
        rfc3339_ms(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_taken_or_refused_however_it_is_written() {
        for (text, ms, is_taken) in [
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999_i64, true),
            ("9999-12-31T23:59:59-00:01", 253_402_300_859_000, false),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000, true),
            ("0000-12-31T23:59:59Z", -62_135_596_801_000, false),
        ] {
            for ts in [format!("\"{text}\""), ms.to_string()] {
                let json = format!(r#"{{"entity_id":"a","ts":{ts},"lat":1,"lon":1}}"#);
                let fix: Fix = serde_json::from_str(&json).unwrap();
                assert_eq!((fix.ts, fix.check().is_ok()), (ms, is_taken), "{ts}");
            }
        }
    }

    #[test]
    fn a_number_that_is_not_finite_is_refused() {
        let fix: Fix = serde_json::from_str(r#"{"entity_id":"a","ts":1,"lat":1,"lon":1}"#).unwrap();
        for (value, is_taken) in [(f32::MAX, true), (f32::NEG_INFINITY, false), (f32::NAN, false)] {
            let (with_speed, with_heading) = (
                Fix { speed: Some(value), ..fix.clone() },
                Fix { heading: Some(value), ..fix.clone() },
            );
            assert_eq!(with_speed.check().is_ok(), is_taken, "{value}");
            assert_eq!(with_heading.check().is_ok(), is_taken, "{value}");
        }
    }
}
