//! Decoding: from bytes of one record to a value, or to the reason why not.

#[cfg(feature = "kafka")]
mod choice;
#[cfg(feature = "kafka")]
mod coding;
mod json;
#[cfg(feature = "kafka")]
mod raw;
#[cfg(feature = "schema-registry")]
mod registry;
mod rejection;
mod row;
mod text_row;
mod time;

#[cfg(feature = "kafka")]
pub(crate) use choice::{Choice, READING, WRITING};
#[cfg(all(test, feature = "kafka"))]
pub(crate) use coding::Json;
#[cfg(feature = "kafka")]
pub(crate) use coding::{Decode, Encode, Prefix, Undecoded};
#[cfg(feature = "schema-registry")]
pub(crate) use json::reason_of_data;
pub use json::{MAX_RECORD_BYTES, decode_json};
#[cfg(feature = "kafka")]
pub use raw::Raw;
pub use rejection::{Check, Rejection};
pub(crate) use rejection::{beginning, checked, shortened};
pub(crate) use row::{Row, finite, single, utf8};
pub(crate) use text_row::decode_text_row;
pub use time::rfc3339_ms;
