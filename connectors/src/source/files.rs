//! What sources of files have in common: which files, what is checked of a record, and the pace.

use super::{Pace, expand};
use crate::format::Check;
use std::fmt;
use std::path::PathBuf;
use waystream_engine::error::Result;

/// The files that a glob names or that are in a directory, looked up once.
pub(crate) struct Files<R> {
    pub(crate) pattern: String,
    /// How the names of those in a directory end.
    extension: &'static str,
    pub(crate) check: Option<Check<R>>,
    pub(crate) pace: Option<Pace<R>>,
    found: Vec<PathBuf>,
}

impl<R> Files<R> {
    pub(crate) fn new(pattern: &str, extension: &'static str) -> Self {
        let (check, pace, found) = (None, None, Vec::new());
        Self { pattern: pattern.to_owned(), extension, check, pace, found }
    }

    pub(crate) fn paths(&mut self) -> Result<&[PathBuf]> {
        if self.found.is_empty() {
            self.found = expand(&self.pattern, self.extension)?;
        }
        Ok(&self.found)
    }

    /// What positions in these files are bound to.
    pub(crate) fn identity(&self) -> String {
        format!("{}:{}", self.extension, self.pattern)
    }
}

impl<R> fmt::Debug for Files<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Files").field(&self.identity()).finish()
    }
}
