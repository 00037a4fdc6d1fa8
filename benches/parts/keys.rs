//! A state table of many keys, and an order in which they are touched.

use std::ops::Range;
use waystream::engine::error::Result;
use waystream::engine::key::{PerKey, key_hash};
use waystream::engine::state::Table;

/// 96 bytes, and as many when encoded; with its key about a hundred.
pub type Value = [f64; 12];

/// Bytes of a key and a value.
pub const RAW_BYTES: usize = size_of::<u64>() + size_of::<Value>();

/// Keys with their hashes, as they come out of an exchange.
pub struct Keys {
    keys: Vec<u64>,
    hashes: Vec<u64>,
}

impl Keys {
    fn of(keys: Vec<u64>) -> Self {
        let hashes = keys.iter().map(key_hash).collect();
        Self { keys, hashes }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }
}

/// Keys 0 to `count`, each once.
pub fn each(count: u64) -> Keys {
    Keys::of((0..count).collect())
}

/// `touches` keys out of 0 to `count`, in no order.
pub fn scattered(count: u64, touches: u64) -> Keys {
    Keys::of((0..touches).map(|n| scatter(n) % count).collect())
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
pub fn scatter(n: u64) -> u64 {
    let mut bits = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// Updates the entries of these keys the way a keyed operator does.
pub fn update(table: &mut Table<PerKey<u64>, Value>, keys: &Keys) -> Result<()> {
    update_some(table, keys, 0..keys.len())
}

/// The same for a part of them.
pub fn update_some(
    table: &mut Table<PerKey<u64>, Value>,
    Keys { keys, hashes }: &Keys,
    part: Range<usize>,
) -> Result<()> {
    let hashes = &hashes[part.clone()];
    for (at, (key, hash)) in keys[part].iter().zip(hashes).enumerate() {
        table.fetch_ahead(hashes, at);
        let address = PerKey(*key);
        let slot = match table.find(*hash, &address) {
            Some(slot) => slot,
            None => table.insert(*hash, address, [0.0; 12])?,
        };
        table.write(slot)?.state[0] += 1.0;
    }
    Ok(())
}
