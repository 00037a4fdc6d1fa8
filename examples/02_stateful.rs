//! Compares each position of a driver with the one before it: state per key, in a struct of your
//! own.
//!
//! ```text
//! cargo run --example 02_stateful
//! ```

use waystream::prelude::*;

#[derive(Clone, Serialize, Deserialize)]
struct Position {
    driver: u32,
    at: Timestamp,
    speed: f32,
}

/// What is kept of each driver; `Default` is how it begins. It is in every checkpoint.
#[derive(Default, Serialize, Deserialize)]
struct Driver {
    before: Option<Position>,
    brakings: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Braking {
    driver: u32,
    at: Timestamp,
    number: u32,
    /// Metres per second, per second.
    deceleration: f32,
}

impl Driver {
    /// Plain Rust, to be tested without any engine.
    fn observe(&mut self, now: Position) -> Option<Braking> {
        let before = self.before.replace(now.clone())?;
        let seconds = now.at.since_ms(before.at) as f32 / 1000.0;
        let deceleration = (before.speed - now.speed) / seconds;
        if deceleration < 4.0 {
            return None;
        }
        self.brakings += 1;
        Some(Braking { driver: now.driver, at: now.at, number: self.brakings, deceleration })
    }
}

fn build(flow: &Flow) {
    flow.source("positions", Unset, EventTime::by(|position: &Position| position.at))
        .key_by(|position| position.driver)
        .stateful("drivers", Driver::observe)
        .sink("brakings", Unset);
}

fn main() {
    let position = |driver, second: i64, speed| {
        let at = Timestamp(second * 1000);
        Position { driver, at, speed }
    };
    let brakings = TestJob::new(build)
        .input(
            "positions",
            [
                position(7, 0, 14.0),
                position(8, 0, 9.0),
                position(7, 2, 13.0),
                position(7, 3, 6.0),
                position(8, 3, 8.5),
                position(7, 4, 1.0),
            ],
        )
        .output::<Braking>("brakings");
    for braking in brakings {
        println!("{braking:?}");
    }
}
