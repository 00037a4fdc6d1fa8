//! Text files: JSON lines and CSV, one partition per file.

#[cfg(test)]
mod hostile_tests;
mod lines;
mod source;
mod table;
#[cfg(test)]
mod tests;

pub use source::{FileFormat, FileSource};
