//! Drivers who cross the borders of pickup zones, and how many arrived in each zone over the last
//! five minutes.
//!
//! ```text
//! cargo run --example 05_rides -- run rides --fresh --no-serve --no-progress
//! ```

use std::process::ExitCode;
use waystream::prelude::*;

const ZONES: &str = include_str!("data/zones.geojson");

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ping {
    driver: String,
    at: Timestamp,
    lat: f64,
    lon: f64,
}

impl Located for Ping {
    fn position(&self) -> Position {
        Position::clamped(self.lat, self.lon)
    }
}

/// How many drivers came into a zone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Supply {
    arrivals: u32,
}

fn build(flow: &Flow) {
    let zones = Zones::from_geojson(ZONES).unwrap_or_else(|error| {
        flow.refuse(error.into());
        Zones::default()
    });
    let crossings = flow
        .source("positions", positions(), EventTime::by(|ping: &Ping| ping.at))
        .key_by(|ping| ping.driver.clone())
        .geofence("zones", zones);
    crossings.clone().sink("crossings", Output::named());
    crossings
        .flat_map(Crossing::entered)
        .key_by(|zone| zone.clone())
        .window(Sliding::of(mins(5), mins(1)))
        .allowed_lateness(secs(30))
        .aggregate("supply", |supply: &mut Supply, _| supply.arrivals += 1)
        .sink("dashboard", Output::to("stdout:"));
}

/// A default: a deployment overrides it by name, as it does sinks: `--sink crossings=stdout:`.
fn positions() -> Input<Ping> {
    Input::at(concat!("jsonl:", env!("CARGO_MANIFEST_DIR"), "/examples/data/positions.jsonl"))
}

fn main() -> ExitCode {
    waystream::main(vec![Job::new("rides", "crossings and arrivals per zone", build)])
}
