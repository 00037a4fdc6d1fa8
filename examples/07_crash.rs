//! A test of an unmodified job: `delivery` of the third example is killed in the middle of its
//! input, and then a hundred times at moments that nobody would think of.
//!
//! ```text
//! cargo run --example 07_crash
//! ```

use delivery::{Courier, Ping, build};
use waystream::operators::Step::Crash;
use waystream::prelude::*;

#[path = "03_delivery.rs"]
#[allow(dead_code, reason = "the job is used here, its command line is not")]
mod delivery;

fn ping(courier: u32, stop: u8, second: i64) -> Step<Ping> {
    Step::Record(Ping { courier, stop, at: Timestamp(second * 1000) })
}

fn main() {
    // Sources and sinks are replaced by their names; everything between is the job itself.
    let changes = TestJob::new(build)
        .input("pings", [ping(7, 1, 0), ping(7, 2, 60), Crash, ping(7, 3, 120)])
        .output::<Change<u32, Courier>>("app");
    for change in changes {
        println!("{change:?}");
    }

    // Each seed is another order of work on one to three workers, with crashes, power cuts that
    // forget what was not synced, and failing disks. The rows must be those of a calm run.
    let tour = (0..300).map(|i| ping(i % 5, (i / 20) as u8, i64::from(i) * 40));
    let job = TestJob::new(build).input("pings", tour).workers([1, 2, 3]);
    match job.simulate(100) {
        Ok(()) => println!("100 seeds: the same rows each time"),
        Err(error) => println!("{error}"),
    }
}
