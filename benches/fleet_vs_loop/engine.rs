//! The same queries on the engine, as jobs written with the public API.

use crate::hand_loop::Query;
use std::io;
use std::path::Path;

/// Answers a query over `data` with rows in `out`; gives their number, or nothing where the query is
/// not written as a job yet.
pub fn engine(_query: Query, _data: &Path, _out: &Path) -> io::Result<Option<u64>> {
    Ok(None)
}
