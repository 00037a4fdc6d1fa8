//! Decoding: from bytes of one record to a value, or to the reason why not.

mod json;
mod rejection;
mod row;
mod text_row;
mod time;

pub use json::{MAX_RECORD_BYTES, decode_json};
pub use rejection::{Check, Rejection};
pub(crate) use rejection::{beginning, checked, shortened};
pub(crate) use row::{Row, finite, single, utf8};
pub(crate) use text_row::decode_text_row;
pub use time::rfc3339_ms;
