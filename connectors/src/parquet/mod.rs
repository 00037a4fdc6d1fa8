//! Parquet archives: any number of files as one partition in event-time order.
//!
//! Modules stand in the order a row meets them: a file is opened, its columns are found by the
//! record's fields, the catalog learns when each row group begins, batches are brought to a few
//! plain types, sorted into runs, merged, and decoded.
//!
//! # What a file may hold, and what comes of it
//!
//! | found | what happens |
//! |---|---|
//! | empty, cut off, no footer, footer too long, encrypted, not Parquet, several columns of one name, LZO | the file is refused by name before a row is read |
//! | a column that is missing, of another case, or of a type that does not fit (text, whole numbers, a list for a degree) | refused, with the column that was perhaps meant |
//! | a bit flipped in a page | found by the page's checksum if it has one; else an error of decoding, or other values: nothing in the file tells |
//! | a bit flipped in the footer | an error, or other numbers; never a panic of the process, nor memory for what is claimed |
//! | a page that claims over 256 MiB, packed or unpacked, and so any text of that size | refused before it is read |
//! | a gzip, brotli or LZ4 page that unpacks to more than it claims | refused before it is read if that could be over 256 MiB: such pages are unpacked once without being kept, all of brotli's; else an error when it is read |
//! | null, NaN, infinite or out of range where a value is needed; text that is not UTF-8 or no time | the row is a dead letter with file and row |
//! | text that is not UTF-8 inside a nested column | the row group is refused: the library checks it as a whole |
//! | a time that does not fit epoch milliseconds | as null |
//! | timestamps without a zone | refused, unless the URL says `time-zone=` |
//! | 32-bit and half floats, decimals, every integer as time, INT96, dates, RFC 3339 text, every encoding, codec, page version and text type | taken |
//! | no rows, no row groups, empty ones between full ones | taken: nothing comes of it |
//! | rows in any order, files that overlap in time | merged by time; beyond the memory budget on disk |
//! | very many row groups | each costs its part of the footer in memory; a file has at most 2^32 rows |
//! | a huge row group | read in slices if it is in order, else sorted in slices of the budget |
//! | statistics that lie | not looked at: times are read from the rows |
//! | columns the record does not have, shapes in WKB among them | not read |
//! | names of folders such as `day=2024-01-01` | mean nothing: what the columns say holds |
//! | other columns or types in another file | each file is understood by its own schema |
//! | `_SUCCESS`, `.crc`, hidden files, loops of links, a second name of a file | passed over; a glob that names nothing is refused |
//! | the same rows in two files | come twice: nothing is de-duplicated unasked |
//! | a file replaced or cut while it is read | refused when its next row group is opened |

mod canonical;
mod catalog;
mod columns;
mod decode;
mod file;
mod layout;
mod load;
mod merge;
mod pages;
mod render;
mod rows;
mod run;
mod source;
mod spill;
#[cfg(test)]
mod tests;

pub use columns::Columns;
pub use source::ParquetSource;
