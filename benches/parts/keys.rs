//! A state table of many keys, and an order in which they are touched.

use waystream::engine::error::Result;
use waystream::engine::key::{PerKey, key_hash};
use waystream::engine::state::Table;

/// 96 bytes, and as many when encoded; with its key about a hundred.
pub type Value = [f64; 12];

/// Bytes of a key and a value.
pub const RAW_BYTES: usize = size_of::<u64>() + size_of::<Value>();

/// Entries that the engine fetches ahead of their use.
const LOOK_AHEAD: usize = 32;

/// A key with its hash, as it comes out of an exchange.
#[derive(Clone, Copy)]
pub struct Hashed {
    key: u64,
    hash: u64,
}

/// Keys 0 to `count`, each once.
pub fn each(count: u64) -> Vec<Hashed> {
    (0..count).map(hashed).collect()
}

/// `touches` keys out of 0 to `count`, in no order.
pub fn scattered(count: u64, touches: u64) -> Vec<Hashed> {
    (0..touches).map(|n| hashed(scatter(n) % count)).collect()
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
pub fn scatter(n: u64) -> u64 {
    let mut bits = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

fn hashed(key: u64) -> Hashed {
    Hashed { key, hash: key_hash(&key) }
}

/// Updates the entries of these keys the way a keyed operator does.
pub fn update(table: &mut Table<PerKey<u64>, Value>, keys: &[Hashed]) -> Result<()> {
    for batch in keys.chunks(LOOK_AHEAD) {
        table.fetch_ahead(batch.iter().map(|hashed| hashed.hash));
        for Hashed { key, hash } in batch {
            let address = PerKey(*key);
            let slot = match table.find(*hash, &address) {
                Some(slot) => slot,
                None => table.insert(*hash, address, [0.0; 12])?,
            };
            table.write(slot)?.state[0] += 1.0;
        }
    }
    Ok(())
}
