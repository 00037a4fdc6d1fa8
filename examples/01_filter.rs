//! Keeps the fast ones: positions come in from a file, those worth keeping go out.
//!
//! ```text
//! cargo run --example 01_filter -- run filter --fresh --no-serve --no-progress
//! ```

use std::process::ExitCode;
use waystream::prelude::*;

/// What the job wants to know of a position; other fields of the file are ignored.
#[derive(Clone, Serialize, Deserialize)]
struct Position {
    driver: String,
    at: Timestamp,
    speed: f32,
}

/// A job is a function that declares where streams begin, what happens to them, and where they end.
fn build(flow: &Flow) {
    flow.source("positions", positions(), EventTime::by(|position: &Position| position.at))
        .filter(|position| position.speed > 10.0)
        .map(|position| format!("{}: {} m/s", position.driver, position.speed))
        .sink("fast", Output::to("stdout:"));
}

/// A default: a deployment overrides it by name, `--source positions=parquet:archive/*.parquet`.
fn positions() -> Input<Position> {
    Input::at(concat!("jsonl:", env!("CARGO_MANIFEST_DIR"), "/examples/data/positions.jsonl"))
}

fn main() -> ExitCode {
    waystream::main(vec![Job::new("filter", "the fast positions", build)])
}
