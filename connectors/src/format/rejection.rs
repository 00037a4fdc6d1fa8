//! Why a single record cannot be taken, in the engine's fixed words and in words for people.

use super::MAX_RECORD_BYTES;
use serde::de;
use std::fmt;
use waystream_engine::source::Reason;

/// Bytes of a rejected record that are kept for its dead letter.
const RAW_BYTES_KEPT: usize = 16 * 1024;
/// Characters of a value that an error shows.
const SHOWN_CHARS: usize = 64;

/// Why a record cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The fixed word.
    pub reason: Reason,
    /// The same for people, naming the field.
    pub error: String,
    /// The field that the record needs and that is not there at all.
    missing: Option<&'static str>,
}

/// A record's own check after decoding: ranges, and whatever types cannot say.
pub type Check<R> = fn(&R) -> Result<(), Rejection>;

impl Rejection {
    /// A rejection for this reason.
    pub fn new(reason: Reason, error: impl Into<String>) -> Self {
        Self { reason, error: error.into(), missing: None }
    }

    /// A value outside what its field allows.
    pub fn out_of_range(error: impl Into<String>) -> Self {
        Self::new(Reason::OutOfRange, error)
    }

    /// A record that is too long.
    pub(crate) fn too_large(bytes: u64) -> Self {
        let error = format!("{bytes} bytes, the limit is {MAX_RECORD_BYTES}");
        Self::new(Reason::TooLarge, error)
    }

    /// The field that the record needs and that is not there at all, neither empty nor null.
    pub(crate) fn missing_field(&self) -> Option<&'static str> {
        self.missing
    }

    /// Names the field in front of the text.
    pub(crate) fn in_field(self, name: &str) -> Self {
        Self::new(self.reason, format!("`{name}`: {}", self.error))
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl std::error::Error for Rejection {}

impl de::Error for Rejection {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::out_of_range(text.to_string())
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        if matches!(found, de::Unexpected::Unit | de::Unexpected::Option) {
            return Self::new(Reason::Missing, format!("is null, expected {expected}"));
        }
        Self::new(Reason::WrongType, format!("invalid type: {found}, expected {expected}"))
    }

    fn missing_field(field: &'static str) -> Self {
        let missing = Some(field);
        Self { missing, ..Self::new(Reason::Missing, format!("missing field `{field}`")) }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(Reason::Malformed, format!("duplicate field `{field}`"))
    }
}

/// Runs a record's own check, if it has one.
#[inline]
pub(crate) fn checked<R>(record: R, check: Option<Check<R>>) -> Result<R, Rejection> {
    if let Some(check) = check {
        check(&record)?;
    }
    Ok(record)
}

/// The part of a rejected record that its dead letter keeps.
pub(crate) fn shortened(raw: &[u8]) -> Vec<u8> {
    raw[..raw.len().min(RAW_BYTES_KEPT)].to_vec()
}

/// As much of a text as an error shows of it.
pub(crate) fn beginning(text: &str) -> &str {
    text.char_indices().nth(SHOWN_CHARS).map_or(text, |(end, _)| &text[..end])
}
