//! Keys, their fixed hash, and the key groups that decide routing and checkpoint order.

use serde::{Serialize, de::DeserializeOwned};
use xxhash_rust::xxh3::xxh3_64;

/// Number of key groups. A property of every checkpoint; never changes.
pub const KEY_GROUPS: u16 = 1024;

/// What a stream can be keyed by: an owned, comparable, serializable value.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key",
    note = "derive Clone, PartialEq, Eq, serde::Serialize and serde::Deserialize for it"
)]
pub trait Key: Clone + Eq + Send + Serialize + DeserializeOwned + 'static {}
impl<K: Clone + Eq + Send + Serialize + DeserializeOwned + 'static> Key for K {}

/// XXH3-64 (seed 0) of the key's postcard encoding. Fixed for ever: it is persisted.
pub fn key_hash<K: Serialize>(key: &K) -> u64 {
    match postcard::to_slice(key, &mut [0; SHORT_BYTES]) {
        Ok(bytes) => xxh3_64(bytes),
        Err(_) => xxh3_64(&postcard::to_stdvec(key).unwrap_or_default()),
    }
}

/// Bytes of a key that is encoded without asking for memory.
const SHORT_BYTES: usize = 32;

/// The key group of a hash: its low ten bits.
#[must_use]
pub fn key_group(hash: u64) -> u16 {
    (hash % u64::from(KEY_GROUPS)) as u16
}

/// The worker that owns a key group when there are `workers` of them; ranges are contiguous.
#[must_use]
pub fn worker_of_group(group: u16, workers: usize) -> usize {
    usize::from(group) * workers / usize::from(KEY_GROUPS)
}

/// What identifies one state entry: the key itself, or the key and a window.
pub trait Address: Eq + Serialize + DeserializeOwned + 'static {
    /// The hash of the key alone; all entries of a key share its group.
    fn key_hash(&self) -> u64;
    /// The hash that spreads entries over the table.
    fn spread(&self, key_hash: u64) -> u64;
}

/// One state entry per key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct PerKey<K>(pub K);

impl<K: Key> Address for PerKey<K> {
    fn key_hash(&self) -> u64 {
        key_hash(&self.0)
    }

    fn spread(&self, key_hash: u64) -> u64 {
        key_hash
    }
}

/// One state entry per key and window, named by the window's start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct PerWindow<K> {
    /// The key.
    pub key: K,
    /// Start of the window in milliseconds of event time.
    pub start_ms: i64,
}

impl<K: Key> Address for PerWindow<K> {
    fn key_hash(&self) -> u64 {
        key_hash(&self.key)
    }

    fn spread(&self, key_hash: u64) -> u64 {
        spread_window(key_hash, self.start_ms)
    }
}

/// The table hash of a window entry, without building its address.
#[must_use]
pub fn spread_window(key_hash: u64, start_ms: i64) -> u64 {
    let mixed = key_hash ^ (start_ms as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_what_old_checkpoints_were_written_with() {
        assert_eq!(key_hash(&"v000001"), 0x6d71_04d1_b1ba_704b);
        assert_eq!(key_hash(&7u32), 0x4c5c_ca45_d0f4_811f);
        for length in [0, 30, 31, 32, 33, 500] {
            let key = "k".repeat(length);
            assert_eq!(key_hash(&key), xxh3_64(&postcard::to_stdvec(&key).unwrap()));
        }
    }

    #[test]
    fn every_group_has_one_owner_and_ranges_are_contiguous() {
        for workers in 1..=7 {
            let owners: Vec<_> = (0..KEY_GROUPS).map(|g| worker_of_group(g, workers)).collect();
            assert!(owners.is_sorted());
            assert_eq!(owners.last(), Some(&(workers - 1)));
        }
    }
}
