//! Memory that a state table takes, in multiples of its keys and values.

use crate::keys::{RAW_BYTES, each, update};
use crate::{Figure, Scale};
use std::error::Error;
use waystream::engine::state::Table;

const KEYS: u64 = 1_000_000;
/// Pages of `/proc/self/statm`.
const PAGE_BYTES: f64 = 4096.0;

pub fn measure(scale: Scale) -> Result<Figure, Box<dyn Error>> {
    let keys = each(scale.of(KEYS));
    let before = resident_bytes()?;
    let mut table = Table::default();
    update(&mut table, &keys)?;
    let taken = resident_bytes()? - before;
    let value = taken / (table.len() * RAW_BYTES) as f64;
    Ok(Figure { value, unit: "of the raw bytes, 1 M keys of 104 B", goal: Some(2.0) })
}

fn resident_bytes() -> Result<f64, Box<dyn Error>> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).ok_or("/proc/self/statm is not as expected")?;
    Ok(pages.parse::<f64>()? * PAGE_BYTES)
}
