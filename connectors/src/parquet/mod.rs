//! Parquet archives: any number of files as one partition in event-time order.
//!
//! Modules stand in the order a row meets them: a file is opened, its columns are found by the
//! record's fields, the catalog learns when each row group begins, batches are brought to a few
//! plain types, sorted into runs, merged, and decoded.

mod canonical;
mod catalog;
mod columns;
mod decode;
mod file;
mod layout;
mod load;
mod merge;
mod render;
mod rows;
mod run;
mod source;
mod spill;
#[cfg(test)]
mod tests;

pub use columns::Columns;
pub use source::ParquetSource;
