//! `fleet` over the bundled hour of ships gives the reference answers, on any number of workers and
//! through any number of stops.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use waystream::engine::checkpoint::{Folder, LocalDisk};
use waystream::engine::job::{JobConfig, Outcome, StopSignal, run};
use waystream::engine::spec::Deployment;
use waystream::operators::{Flow, ms};

/// Sinks with the columns that name a row.
const TABLES: [(&str, &[&str]); 5] = [
    ("live", &["entity_id"]),
    ("cells", &["window_start_ms", "cell"]),
    ("crossings", &["entity_id", "zone", "event", "ts_ms"]),
    ("trips", &["entity_id", "trip"]),
    ("stops", &["entity_id", "start_ms"]),
];

/// Rows by key: each column as text.
type Rows = BTreeMap<String, BTreeMap<String, String>>;

struct Fleet {
    folder: tempfile::TempDir,
    source: String,
}

impl Fleet {
    /// The job over the bundled ships, as fast as they can be read.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ships = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/data/ais_nyharbor.parquet");
        Self { folder, source: format!("parquet:{}", ships.display()) }
    }

    fn run(&self, workers: usize, stop_first: bool) -> Outcome {
        let path = self.folder.path();
        let mut deployment = Deployment::default();
        deployment.sources.insert("positions".to_owned(), self.source.clone());
        for sink in TABLES.map(|(sink, _)| sink).into_iter().chain(["dead-letters"]) {
            let url = format!("jsonl:{}", path.join(format!("{sink}.jsonl")).display());
            deployment.sinks.insert(sink.to_owned(), url);
        }
        let folder = Folder::open(Arc::new(LocalDisk), path.join("checkpoints"));
        let mut config = JobConfig::new("fleet", folder.expect("checkpoints"));
        config.workers = workers;
        config.checkpoint_every = ms(5);
        config.max_bytes_in_flight = 64 << 10;
        let (stop, metrics, over) =
            (config.stop.clone(), config.metrics.clone(), StopSignal::default());
        let is_over = over.clone();
        let stopper = std::thread::spawn(move || {
            let manifests = || metrics.checkpoints.manifests.load(Relaxed);
            while stop_first && !is_over.is_requested() && manifests() < 3 {
                std::thread::yield_now();
            }
            if stop_first {
                stop.request();
            }
        });
        let outcome = run(config, Flow::builder(deployment, waystream::fleet::build));
        over.request();
        stopper.join().expect("the stopper");
        outcome.expect("fleet runs")
    }

    fn rows(&self, sink: &str, key: &[&str]) -> Rows {
        let text = std::fs::read_to_string(self.folder.path().join(format!("{sink}.jsonl")));
        let mut rows = Rows::new();
        for line in text.unwrap_or_default().lines() {
            let row: BTreeMap<String, Value> = serde_json::from_str(line).expect("a row");
            let row = row.into_iter().map(|(name, value)| (name, plain(&value))).collect();
            let before = rows.insert(name(&row, key), row);
            assert!(before.is_none() || sink == "live", "{sink}: a row twice: {line}");
        }
        rows
    }

    fn compare(&self) {
        for (sink, key) in TABLES {
            let (found, expected) = (self.rows(sink, key), expected(sink, key));
            assert_eq!(found.len(), expected.len(), "rows of {sink}");
            for (name, wanted) in &expected {
                let row = found.get(name).unwrap_or_else(|| panic!("{sink}: {name} is missing"));
                for (column, wanted) in wanted {
                    let value = row.get(column).map_or("", String::as_str);
                    assert!(same(value, wanted), "{sink} {name} {column}: {value}, not {wanted}");
                }
            }
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn name(row: &BTreeMap<String, String>, key: &[&str]) -> String {
    key.iter().map(|column| row[*column].as_str()).collect::<Vec<_>>().join(" ")
}

fn expected(sink: &str, key: &[&str]) -> Rows {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/expected/ais_nyharbor");
    let text = std::fs::read_to_string(folder.join(format!("{sink}.csv"))).expect("answers");
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let row = |line: &str| -> BTreeMap<String, String> {
        columns.iter().zip(line.split(',')).map(|(c, v)| ((*c).to_owned(), v.to_owned())).collect()
    };
    lines.map(row).map(|row| (name(&row, key), row)).collect()
}

/// Equal as text, or as numbers to 1e-9 of their size (32-bit floats are printed shorter).
fn same(found: &str, wanted: &str) -> bool {
    match (found.parse::<f64>(), wanted.parse::<f64>()) {
        (Ok(found), Ok(wanted)) => {
            let near = (found - wanted).abs() <= 1e-9 * wanted.abs() + 1e-6;
            near || found as f32 == wanted as f32
        }
        _ => found == wanted,
    }
}

#[test]
fn the_bundled_hour_gives_the_reference_answers_on_one_two_and_three_workers() {
    for workers in 1..=3 {
        let fleet = Fleet::new();
        let outcome = fleet.run(workers, false);
        assert_eq!((outcome.resumed_from, outcome.was_finished), (None, false));
        fleet.compare();
    }
}

#[test]
fn stopped_and_resumed_on_other_workers_it_gives_the_same() {
    let fleet = Fleet::new();
    fleet.run(2, true);
    let resumed = fleet.run(3, true);
    assert!(resumed.resumed_from.is_some() || resumed.was_finished);
    fleet.run(1, false);
    fleet.compare();
    assert!(fleet.run(1, false).was_finished);
}
