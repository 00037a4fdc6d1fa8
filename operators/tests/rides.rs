//! A job that reads as its author would write it: pickup-zone crossings, and arrivals per zone over
//! five minutes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use compact_str::CompactString;
use expect_test::expect;
use serde::{Deserialize, Serialize};
use waystream_operators::{
    Crossing, EventTime, Flow, Located, Pane, Position, Sliding, TestJob, Timestamp, Unset, Zones,
    mins, secs,
};

#[derive(Clone, Serialize, Deserialize)]
struct Ping {
    driver: u32,
    at: Timestamp,
    place: Position,
}

impl Located for Ping {
    fn position(&self) -> Position {
        self.place
    }
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Supply {
    arrivals: u32,
}

fn zones() -> Zones {
    let zone = |name: &str, west: i32| {
        let east = west + 1;
        format!(
            r#"{{"type":"Feature","properties":{{"id":"{name}"}},"geometry":{{"type":"Polygon",
            "coordinates":[[[{west},0],[{east},0],[{east},1],[{west},1],[{west},0]]]}}}}"#
        )
    };
    let features = [zone("airport", 0), zone("station", 1)].join(",");
    Zones::from_geojson(&format!(r#"{{"type":"FeatureCollection","features":[{features}]}}"#))
        .unwrap()
}

fn build(flow: &Flow) {
    let crossings = flow
        .source("positions", Unset, EventTime::by(|ping: &Ping| ping.at).out_of_order(secs(10)))
        .key_by(|ping| ping.driver)
        .ordered("order")
        .geofence("zones", zones());
    crossings.clone().sink("crossings", Unset);
    crossings
        .flat_map(Crossing::entered)
        .key_by(|zone| zone.clone())
        .window(Sliding::of(mins(5), mins(1)))
        .allowed_lateness(secs(30))
        .aggregate("supply", |supply: &mut Supply, _| supply.arrivals += 1)
        .sink("dashboard", Unset);
}

#[test]
fn arrivals_are_counted_per_zone_and_window() {
    // Minute, driver, longitude: two drivers come to the airport, one goes on to the station.
    let drive = [(0, 1, 0.5), (1, 2, 0.5), (2, 1, 1.5), (3, 2, 0.6), (9, 1, 9.0)];
    let pings = drive.map(|(minute, driver, lon)| {
        let place = Position::new(0.5, lon).unwrap();
        Ping { driver, at: Timestamp(minute * 60_000), place }
    });
    let outputs = TestJob::new(build).input("positions", pings).workers([2]).run().unwrap();

    let mut crossings: Vec<Crossing<Ping>> = outputs.output("crossings");
    crossings.sort_by_key(|crossing| crossing.value.at);
    let crossed = crossings.iter().map(|Crossing { zone, event, value }| {
        format!("{} driver {}: {event:?} {zone}\n", value.at.0 / 60_000, value.driver)
    });
    expect![[r#"
        0 driver 1: Enter airport
        1 driver 2: Enter airport
        2 driver 1: Exit airport
        2 driver 1: Enter station
        9 driver 1: Exit station
    "#]]
    .assert_eq(&crossed.collect::<String>());

    let mut panes: Vec<Pane<CompactString, Supply>> = outputs.output("dashboard");
    panes.sort_by_key(|pane| (pane.key.clone(), pane.start));
    let arrived = panes.iter().map(|Pane { key, start, end, value }| {
        format!("{key} {}..{}: {}\n", start.0 / 60_000, end.0 / 60_000, value.arrivals)
    });
    expect![[r#"
        airport -4..1: 1
        airport -3..2: 2
        airport -2..3: 2
        airport -1..4: 2
        airport 0..5: 2
        airport 1..6: 1
        station -2..3: 1
        station -1..4: 1
        station 0..5: 1
        station 1..6: 1
        station 2..7: 1
    "#]]
    .assert_eq(&arrived.collect::<String>());
}
