//! Real archives, if they are there: every row once, in order, with little memory.

use crate::parquet::{Columns, ParquetSource};
use crate::source::{Pull, Pulled};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    ts: i64,
    seq: i64,
    entity_id: String,
    lat: Option<f64>,
    speed: Option<f32>,
}

#[test]
#[allow(clippy::print_stdout, reason = "a skipped test says so")]
fn every_row_once_and_in_order() {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("WAYSTREAM_SHARED").map_or_else(beside, PathBuf::from);
    let root = shared.join("data/parquet");
    if !root.is_dir() {
        println!("skipped: no real archives beside the repository");
        return;
    }
    let columns = Columns::new("ts", None, None).unwrap();
    let pattern = root.display().to_string();
    let mut source = ParquetSource::<Row>::new(&pattern, columns, 8 << 20);
    let mut rows = source.rows(None).unwrap();
    let mut counts = vec![0i64; rows.merge.catalog.files.len()];
    let mut last = (i64::MIN, 0);
    loop {
        match rows.pull().unwrap() {
            Pulled::End => break,
            Pulled::Reject(reject) => panic!("{reject:?}"),
            Pulled::Record(origin, row) => {
                assert!((row.ts, origin) > last);
                assert_eq!(row.seq, i64::from(origin as u32));
                last = (row.ts, origin);
                counts[(origin >> 32) as usize] += 1;
            }
        }
    }
    let total: i64 = counts.iter().sum();
    assert_eq!(total, 552_301, "{counts:?}");
    assert!(rows.merge.spills > 0);
}
