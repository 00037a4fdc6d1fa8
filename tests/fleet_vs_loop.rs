//! The bench's events and answers are what they always were, so that its figures can be compared.

#[path = "../benches/fleet_vs_loop/events.rs"]
mod events;
#[path = "../benches/fleet_vs_loop/generate.rs"]
mod generate;
#[path = "../benches/fleet_vs_loop/grid.rs"]
mod grid;
#[path = "../benches/fleet_vs_loop/hand_loop.rs"]
mod hand_loop;

use generate::Fleet;
use hand_loop::QUERIES;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

fn small_fleet(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    generate::write(&folder, Fleet { entities: 2_000, events: 20_000 }).expect("events");
    folder
}

#[test]
fn the_same_numbers_give_the_same_bytes() {
    let folder = small_fleet("same-bytes");
    let hash = |name: &str| xxh3_64(&std::fs::read(folder.join(name)).expect("a file"));
    assert_eq!(
        [
            hash("fleet.ndjson"),
            hash("p2/part-0.ndjson"),
            hash("p2/part-1.ndjson"),
            hash("fences.json")
        ],
        [
            0x2741_6178_4b16_abab,
            0x6333_a3ad_efe2_4355,
            0x82b5_d328_8e7d_2572,
            0xe7f0_73c4_15b7_6912,
        ],
        "figures of earlier runs are about other events: put the generator back as it was"
    );
}

#[test]
fn the_loop_gives_as_many_rows_as_independent_programs() {
    let folder = small_fleet("row-counts");
    let rows = QUERIES.map(|query| hand_loop::run(query, &folder, Path::new("/dev/null")).ok());
    assert_eq!(rows, [14_821, 4_416, 15_674, 2_686, 2_541].map(Some));
}
