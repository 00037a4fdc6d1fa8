//! Text files: JSON lines and CSV, one partition per file.

mod lines;
mod source;
mod table;

pub use source::{FileFormat, FileSource};
