//! An update of one entry among a million that are all in use.

use crate::keys::{Value, each, scatter, scattered, update};
use crate::{Figure, Scale, cpu};
use std::collections::HashMap;
use std::error::Error;
use waystream::engine::state::Table;

const KEYS: u64 = 1_000_000;
const ROUNDS: u32 = 5;

pub fn measure(scale: Scale) -> Result<Figure, Box<dyn Error>> {
    let keys = scale.of(KEYS);
    let mut table = Table::default();
    update(&mut table, &each(keys))?;
    let touches = scattered(keys, 4 * keys);
    let before_s = cpu::seconds()?;
    for _ in 0..ROUNDS {
        update(&mut table, &touches)?;
    }
    let updates = f64::from(ROUNDS) * touches.len() as f64;
    let value = (cpu::seconds()? - before_s) / updates * 1e9;
    Ok(Figure { value, unit: "ns CPU per update, 1 M hot keys", goal: Some(60.0) })
}

/// The same with the standard library's map, which keeps no changes for a checkpoint.
pub fn measure_hash_map(scale: Scale) -> Result<Figure, Box<dyn Error>> {
    let keys = scale.of(KEYS);
    let mut map: HashMap<u64, Value> = (0..keys).map(|key| (key, [0.0; 12])).collect();
    let touches: Vec<u64> = (0..4 * keys).map(|n| scatter(n) % keys).collect();
    let before_s = cpu::seconds()?;
    for _ in 0..ROUNDS {
        for key in &touches {
            map.entry(*key).or_insert([0.0; 12])[0] += 1.0;
        }
    }
    let updates = f64::from(ROUNDS) * touches.len() as f64;
    let value = (cpu::seconds()? - before_s) / updates * 1e9;
    Ok(Figure { value, unit: "ns CPU per update, the same in a HashMap", goal: None })
}
