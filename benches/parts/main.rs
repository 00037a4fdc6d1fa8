//! What the engine's parts cost, each beside the goal it is held against, if there is one.
//!
//! `cargo bench --bench parts -- [PART …]`, where a part is a name in the first column
//!
//! Processor time is measured where that is possible, so a busy machine blurs the figures less.
//! Without `--bench`, which cargo passes, small sizes are run to see that the bench still works.

#[path = "../fleet_vs_loop/cpu.rs"]
mod cpu;
mod exchange;
mod geofence;
mod idle;
mod job;
mod key_count;
mod keys;
mod restore;
mod snapshot_pause;
mod state_memory;
mod state_update;
mod window_update;

use std::error::Error;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Full,
    Small,
}

impl Scale {
    /// `full`, or a thousandth of it.
    fn of(self, full: u64) -> u64 {
        match self {
            Self::Full => full,
            Self::Small => full / 1000,
        }
    }
}

/// A figure and what it should be at most, if there is a goal.
struct Figure {
    value: f64,
    unit: &'static str,
    goal: Option<f64>,
}

type Measure = fn(Scale) -> Result<Figure, Box<dyn Error>>;

/// Memory comes first: what the others free would be taken again without being seen.
const PARTS: [(&str, Measure); 10] = [
    ("state-memory", state_memory::measure),
    ("state-update", state_update::measure),
    ("hash-map", state_update::measure_hash_map),
    ("snapshot-pause", snapshot_pause::measure),
    ("restore", restore::measure),
    ("exchange", exchange::measure),
    ("geofence", geofence::measure),
    ("window-update", window_update::measure),
    ("key-count", key_count::measure),
    ("idle", idle::measure),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    let scale =
        if wanted.iter().any(|name| name == "--bench") { Scale::Full } else { Scale::Small };
    wanted.retain(|name| name != "--bench");
    if let Some(name) = wanted.iter().find(|name| !PARTS.iter().any(|(part, _)| part == *name)) {
        let known: Vec<_> = PARTS.iter().map(|(part, _)| *part).collect();
        return Err(format!("`{name}` is no part; there are {}", known.join(", ")).into());
    }
    println!("part                 figure  unit                                     goal");
    for (part, measure) in PARTS {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == part) {
            continue;
        }
        let Figure { value, unit, goal } = measure(scale)?;
        let goal = goal.map_or_else(|| "-".to_owned(), |goal| goal.to_string());
        println!("{part:<16} {value:>10.3}  {unit:<40} {goal}");
    }
    Ok(())
}
