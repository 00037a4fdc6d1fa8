//! A whole job: an archive of ships and the log of the pilots are merged, checked, put in order, and
//! told as live states, arrivals per zone, and dead letters.
//!
//! ```text
//! cargo run --example 08_harbour -- run harbour --fresh --no-serve --no-progress
//! cargo run --example 08_harbour -- run harbour --workers 2 --set every=30min --sink live=parquet:out/live
//! ```

use std::process::ExitCode;
use waystream::connectors::format::Rejection;
use waystream::prelude::*;

const ZONES: &str = include_str!("../jobs/data/harbour_zones.geojson");

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Boat {
    entity_id: String,
    ts: Timestamp,
    lat: f64,
    lon: f64,
}

impl Located for Boat {
    fn position(&self) -> Position {
        Position::clamped(self.lat, self.lon)
    }
}

/// Where a boat is, and how often that was told.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Latest {
    lat: f64,
    lon: f64,
    positions: u32,
}

impl Latest {
    fn observe(&mut self, boat: Boat) {
        *self = Self { lat: boat.lat, lon: boat.lon, positions: self.positions + 1 };
    }
}

fn build(flow: &Flow) {
    let time = || EventTime::by(|boat: &Boat| boat.ts);
    let ships = flow.source("ships", boats("parquet", "jobs/data/ais_nyharbor.parquet"), time());
    let pilots = flow.source("pilots", boats("jsonl", "examples/data/pilots.jsonl"), time());
    let boats = ships.merge(pilots).key_by(|boat| boat.entity_id.clone()).ordered("order");

    let live = boats.clone().live("live", Latest::observe).expire_after(mins(20));
    live.clone().view("live", Change::shown);
    live.sink("live", Output::named());

    let zones = Zones::from_geojson(ZONES).expect("the bundled zones are sound");
    let arrivals = boats.geofence("zones", zones).flat_map(Crossing::entered);
    arrivals
        .key_by(|zone| zone.clone())
        .window(Tumbling::of(flow.setting("every", mins(20))))
        .aggregate("arrivals", |arrivals: &mut u32, _| *arrivals += 1)
        .map(|pane| format!("{} arrivals in {} from {}", pane.value, pane.key, pane.start))
        .sink("arrivals", Output::to("stdout:"));
    flow.dead_letters().sink("dead-letters", Output::named());
}

/// Boats from a file of the repository, unless a deployment names another: `--source pilots=…`.
fn boats(format: &str, file: &str) -> Input<Boat> {
    let url = format!("{format}:{}/{file}", env!("CARGO_MANIFEST_DIR"));
    Input::at(url).check(|boat: &Boat| match boat.lat {
        -90.0..=90.0 => Ok(()),
        lat => Err(Rejection::out_of_range(format!("`lat`: {lat} is not within -90..90"))),
    })
}

fn main() -> ExitCode {
    waystream::main(vec![Job::new("harbour", "ships and pilots of a harbour", build)])
}
