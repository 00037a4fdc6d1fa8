//! Exactly-once under simulated crashes, power cuts and I/O errors.

use crate::job::check;
use waystream_engine::simulation::Crashes;

/// Seeds in a normal run; `WAYSTREAM_SEEDS` asks for more.
fn seeds() -> u64 {
    std::env::var("WAYSTREAM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(200)
}

#[test]
fn undisturbed_runs_give_the_loops_answers() {
    for seed in 0..20 {
        check(seed, Crashes::None).unwrap();
    }
}

#[test]
fn crashes_lose_double_and_change_nothing() {
    for seed in 0..seeds() {
        check(seed, Crashes::Times(1 + (seed % 6) as u32)).unwrap();
    }
}
