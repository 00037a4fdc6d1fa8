//! Text files: JSON lines and CSV, one partition per file.
//!
//! A file that is gzip, zstd, zip, Parquet or UTF-16 by its first bytes is refused, and so is one that is
//! cut while it is read.
//!
//! # CSV, and what comes of it
//!
//! The first line is the header: it names each column once. Rows are read as RFC 4180 has them.
//!
//! | found | what happens |
//! |---|---|
//! | a header that names a column twice, or breaks the rules | the file is refused |
//! | no column for a field that the record needs, as in a file without a header or with semicolons | the file is refused, with the columns that are there and those that are not |
//! | a quote in a value that does not begin with one, text behind a closing quote, a carriage return alone | the line is a dead letter, reading goes on at the next |
//! | a quoted value with line feeds | taken, if its row has at most 64 lines and 1 MiB |
//! | a quote that is not closed within that or at all; lines joined by quotes into a row with another number of values | the first line is a dead letter that says where the quote opened, reading goes on at the next |
//! | a row with another number of values, or one whose values do not fit | the row is a dead letter |
//! | a line over 1 MiB | a dead letter with its beginning |
//! | a byte order mark, CRLF, empty lines, columns that the record does not have | passed over |

mod cells;
#[cfg(test)]
mod csv_tests;
mod foreign;
#[cfg(test)]
mod hostile_tests;
mod lines;
mod source;
mod table;
#[cfg(test)]
mod tests;

pub use source::{FileFormat, FileSource};
