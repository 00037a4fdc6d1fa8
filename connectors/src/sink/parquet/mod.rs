//! `parquet:DIR`: flat rows as Parquet files of many epochs, each under its final name only when
//! whole.

mod columns;
mod committer;
mod encoder;
mod frames;
mod part;
mod sink;
mod trace;
mod value;

pub(super) use sink::{ParquetSink, ROLL_BYTES};

#[cfg(test)]
mod tests;
