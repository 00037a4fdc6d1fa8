//! What of a row becomes a record's key and headers where a sink has such.

use std::borrow::Cow;
use std::fmt;

/// Reads a text from a row.
pub type TextOf<T> = for<'a> fn(&'a T) -> Cow<'a, str>;

/// What of a row becomes key and headers, and which rows say that their key is gone.
pub(crate) struct Layout<T> {
    pub(crate) key: Option<TextOf<T>>,
    pub(crate) is_removal: Option<fn(&T) -> bool>,
    pub(crate) headers: Vec<(&'static str, TextOf<T>)>,
}

impl<T> Clone for Layout<T> {
    fn clone(&self) -> Self {
        Self { key: self.key, is_removal: self.is_removal, headers: self.headers.clone() }
    }
}

impl<T> Default for Layout<T> {
    fn default() -> Self {
        Self { key: None, is_removal: None, headers: Vec::new() }
    }
}

impl<T> fmt::Debug for Layout<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layout").field("is_keyed", &self.key.is_some()).finish_non_exhaustive()
    }
}
