//! `fleet` meets zones that change while it runs and while it is stopped, and takes or refuses rings
//! that are no valid polygons as it is told.

use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use waystream::connectors::websocket::Hub;
use waystream::engine::checkpoint::{Folder, LocalDisk};
use waystream::engine::error::JobError;
use waystream::engine::job::{JobConfig, Outcome, StopSignal, run};
use waystream::engine::spec::Deployment;
use waystream::operators::{Flow, ms};

struct Fleet {
    folder: tempfile::TempDir,
    settings: Vec<(&'static str, &'static str)>,
    /// What the map is told.
    hub: Hub,
}

impl Fleet {
    fn new(positions: impl IntoIterator<Item = Value>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let fleet = Self { folder, settings: Vec::new(), hub: Hub::new(1) };
        let lines: Vec<String> = positions.into_iter().map(|row| row.to_string()).collect();
        std::fs::write(fleet.path("positions.jsonl"), lines.join("\n") + "\n").expect("positions");
        fleet
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Zones with these names and rings.
    fn write_zones(&self, zones: &[(&str, Value)]) {
        let feature = |(name, ring): &(&str, Value)| {
            json!({"type": "Feature", "properties": {"id": name},
                "geometry": {"type": "Polygon", "coordinates": [ring]}})
        };
        let features: Vec<_> = zones.iter().map(feature).collect();
        let text = json!({"type": "FeatureCollection", "features": features}).to_string();
        std::fs::write(self.path("zones.geojson"), text).expect("zones");
    }

    fn start(&self, speed: &str) -> (StopSignal, JoinHandle<Result<Outcome, JobError>>) {
        let mut deployment = Deployment::default();
        let positions = format!("jsonl:{}?speed={speed}", self.path("positions.jsonl").display());
        deployment.sources.insert("positions".to_owned(), positions);
        let crossings = format!("jsonl:{}", self.path("crossings.jsonl").display());
        deployment.sinks.insert("crossings".to_owned(), crossings);
        let zones = self.path("zones.geojson").display().to_string();
        deployment.settings.insert("zones".to_owned(), zones);
        let settings = self.settings.iter().map(|(name, text)| ((*name).into(), (*text).into()));
        deployment.settings.extend(settings);
        deployment.views = Some(Arc::new(self.hub.clone()));
        let folder = Folder::open(Arc::new(LocalDisk), self.path("checkpoints"));
        let mut config = JobConfig::new("fleet", folder.expect("checkpoints"));
        config.workers = 2;
        config.checkpoint_every = ms(20);
        let stop = config.stop.clone();
        let build = Flow::builder(deployment, waystream::fleet::build);
        (stop, std::thread::spawn(move || run(config, build)))
    }

    /// What the sink `crossings` holds: zone, direction and time.
    fn crossings(&self) -> Vec<(String, String, i64)> {
        let text = std::fs::read_to_string(self.path("crossings.jsonl")).unwrap_or_default();
        let row = |line: &str| {
            let row: Value = serde_json::from_str(line).expect("a row");
            let text = |name: &str| row[name].as_str().expect("text").to_owned();
            (text("zone"), text("event"), row["ts_ms"].as_i64().expect("a time"))
        };
        text.lines().map(row).collect()
    }

    /// Names of the zones on the map.
    fn shown(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.hub.view("zones").rows().1.iter().map(|(name, _)| name.to_string()).collect();
        names.sort();
        names
    }

    /// Waits until so many crossings are committed.
    fn wait_for(&self, count: usize) -> Vec<(String, String, i64)> {
        for _ in 0..1_500 {
            let crossings = self.crossings();
            if crossings.len() >= count {
                return crossings;
            }
            std::thread::park_timeout(ms(20));
        }
        panic!("there are not {count} crossings but {:?}", self.crossings());
    }
}

fn position(at: i64, lat: f64, lon: f64) -> Value {
    json!({"entity_id": "a", "ts": at, "lat": lat, "lon": lon})
}

fn square() -> Value {
    json!([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
}

/// Two triangles that meet at a point, west and east of it.
fn bow() -> Value {
    json!([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]])
}

fn brief(crossings: &[(String, String, i64)]) -> Vec<String> {
    crossings.iter().map(|(zone, event, _)| format!("{event} {zone}")).collect()
}

#[test]
fn other_zones_count_from_an_entitys_next_position() {
    // A minute of one entity that does not move.
    let fleet = Fleet::new((0..1_200).map(|i| position(i * 50, 0.5, 0.5)));
    fleet.write_zones(&[("pier", square()), ("stays", square())]);
    let (stop, job) = fleet.start("1x");
    assert_eq!(brief(&fleet.wait_for(2)), ["enter pier", "enter stays"]);
    assert_eq!(fleet.shown(), ["pier", "stays"]);

    fleet.write_zones(&[("stays", square()), ("new wharf", square())]);
    let crossings = fleet.wait_for(4);
    assert_eq!(brief(&crossings[2..]), ["exit pier", "enter new wharf"]);
    assert_eq!(crossings[2].2, crossings[3].2, "both at the first position that met the zones");
    assert_eq!(fleet.shown(), ["new wharf", "stays"], "the map draws what the job asks");
    stop.request();
    job.join().expect("a worker").expect("fleet stops");

    fleet.write_zones(&[("stays", square()), ("while it was stopped", square())]);
    let (stop, job) = fleet.start("1x");
    let crossings = fleet.wait_for(6);
    assert_eq!(brief(&crossings[4..]), ["exit new wharf", "enter while it was stopped"]);
    stop.request();
    let outcome = job.join().expect("a worker").expect("fleet stops");
    assert!(outcome.resumed_from.is_some());
    assert_eq!(fleet.crossings().len(), 6, "what did not change crossed nothing");
}

#[test]
fn without_a_file_the_map_and_the_job_have_the_zones_of_the_harbour() {
    let mut fleet = Fleet::new([position(0, 40.6446, -74.0586)]);
    fleet.settings = vec![("zones", "")];
    let (_, job) = fleet.start("max");
    job.join().expect("a worker").expect("fleet runs");
    let (crossings, shown) = (fleet.crossings(), fleet.shown());
    assert!(!crossings.is_empty() && !shown.is_empty(), "{crossings:?} {shown:?}");
    assert!(crossings.iter().all(|(zone, ..)| shown.contains(zone)), "{crossings:?} {shown:?}");
}

#[test]
fn a_ring_that_crosses_itself_counts_by_even_odd_or_is_refused() {
    let places = [(0.9, 0.5), (0.5, 0.1), (0.1, 0.5), (0.5, 0.9)];
    let mut fleet =
        Fleet::new((0..).zip(places).map(|(at, (lat, lon))| position(at * 1_000, lat, lon)));
    fleet.write_zones(&[("bow-1", bow()), ("whole", square()), ("bow-2", bow())]);
    fleet.settings = vec![("strict-zones", "true")];
    let (_, job) = fleet.start("max");
    let refused = job.join().expect("a worker").expect_err("defects are refused");
    let text = refused.to_string();
    for part in [
        "not all zones are valid",
        "zone `bow-1` (feature 0)",
        "zone `bow-2` (feature 2)",
        "crosses",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("whole"), "{text}");
    assert_eq!(refused.kind.exit_code(), 78);

    fleet.settings.clear();
    let (_, job) = fleet.start("max");
    job.join().expect("a worker").expect("fleet runs");
    let mut of_bow = fleet.crossings();
    of_bow.retain(|(zone, ..)| zone == "bow-1");
    let of_bow: Vec<_> = of_bow.iter().map(|(_, event, at)| (event.as_str(), *at)).collect();
    assert_eq!(of_bow, [("enter", 1_000), ("exit", 2_000), ("enter", 3_000)]);
}
