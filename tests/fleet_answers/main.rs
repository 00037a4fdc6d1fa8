//! `fleet` over the bundled hour of ships gives the reference answers, whatever form its input and
//! output have, on any number of workers and through any number of stops.

mod answers;
mod broken;
mod inputs;

use answers::{TABLES, compare, written};
use broken::Letter;
use inputs::Form;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use waystream::engine::checkpoint::{Folder, LocalDisk};
use waystream::engine::job::{JobConfig, Outcome, StopSignal, run};
use waystream::engine::metrics::SourceCounters;
use waystream::engine::spec::Deployment;
use waystream::operators::{Flow, ms};

/// The form of the outputs.
#[derive(Clone, Copy, Debug)]
enum Sinks {
    Jsonl,
    Parquet,
}

struct Fleet {
    folder: tempfile::TempDir,
    source: String,
    letters: Vec<Letter>,
    sinks: Sinks,
}

impl Fleet {
    /// The job over the bundled ships, as fast as they can be read.
    fn new(form: Form, sinks: Sinks) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, letters) = inputs::write(form, &folder.path().join("input"));
        Self { folder, source, letters, sinks }
    }

    fn run(&self, workers: usize, stop_first: bool) -> (Outcome, Arc<SourceCounters>) {
        let path = self.folder.path();
        let folder = Folder::open(Arc::new(LocalDisk), path.join("checkpoints"));
        let mut config = JobConfig::new("fleet", folder.expect("checkpoints"));
        config.workers = workers;
        config.checkpoint_every = ms(5);
        config.max_bytes_in_flight = 64 << 10;
        let (stop, metrics, over) =
            (config.stop.clone(), config.metrics.clone(), StopSignal::default());
        let (is_over, counters) = (over.clone(), metrics.source("positions"));
        let stopper = std::thread::spawn(move || {
            let manifests = || metrics.checkpoints.manifests.load(Relaxed);
            while stop_first && !is_over.is_requested() && manifests() < 3 {
                std::thread::yield_now();
            }
            if stop_first {
                stop.request();
            }
        });
        let outcome = run(config, Flow::builder(self.deployment(), waystream::fleet::build));
        over.request();
        stopper.join().expect("the stopper");
        (outcome.expect("fleet runs"), counters)
    }

    fn deployment(&self) -> Deployment {
        let path = self.folder.path();
        let mut deployment = Deployment::default();
        deployment.sources.insert("positions".to_owned(), self.source.clone());
        for sink in TABLES.map(|(sink, _)| sink).into_iter().chain(["dead-letters"]) {
            let place = path.join(sink);
            let url = match self.sinks {
                Sinks::Jsonl => format!("jsonl:{}.jsonl", place.display()),
                // Small enough that every sink has several files.
                Sinks::Parquet => format!("parquet:{}?roll=16KiB", place.display()),
            };
            deployment.sinks.insert(sink.to_owned(), url);
        }
        deployment
    }

    fn compare(&self) {
        compare(self.folder.path());
        let found = letters(self.folder.path());
        let mut expected = self.letters.clone();
        expected.sort();
        assert_eq!(found.len(), expected.len(), "dead letters");
        for (found, expected) in found.iter().zip(&expected) {
            assert!(found == expected, "a dead letter is\n{found:.200?}, not\n{expected:.200?}");
        }
    }
}

/// The dead letters that were written, sorted; each says in its text where it comes from.
fn letters(folder: &Path) -> Vec<Letter> {
    let letter = |row: answers::Row| {
        let offset = row["offset"].parse().expect("a line");
        let place = format!("{}:{offset}: ", row["partition"]);
        assert!(row["error"].starts_with(&place), "{place}{}", row["error"]);
        (row["partition"].clone(), offset, row["reason"].clone(), row["raw_base64"].clone())
    };
    let mut letters: Vec<Letter> =
        written(folder, "dead-letters").into_iter().map(letter).collect();
    letters.sort();
    letters
}

#[test]
fn the_bundled_hour_gives_the_reference_answers_on_one_two_and_three_workers() {
    for (workers, sinks) in [(1, Sinks::Jsonl), (2, Sinks::Jsonl), (3, Sinks::Parquet)] {
        let fleet = Fleet::new(Form::AsIs, sinks);
        let (outcome, _) = fleet.run(workers, false);
        assert_eq!((outcome.resumed_from, outcome.was_finished), (None, false));
        fleet.compare();
    }
}

#[test]
fn rows_in_any_order_and_any_number_of_files_give_the_same() {
    for (form, workers, sinks) in [
        (Form::Shuffled, 1, Sinks::Jsonl),
        (Form::Shuffled, 3, Sinks::Parquet),
        (Form::Split, 2, Sinks::Jsonl),
    ] {
        let fleet = Fleet::new(form, sinks);
        fleet.run(workers, false);
        fleet.compare();
    }
}

#[test]
fn json_lines_give_the_same_and_broken_ones_only_dead_letters() {
    for (form, workers, sinks) in [
        (Form::Jsonl, 1, Sinks::Parquet),
        (Form::Broken, 1, Sinks::Jsonl),
        (Form::Broken, 3, Sinks::Parquet),
    ] {
        let fleet = Fleet::new(form, sinks);
        let (_, counters) = fleet.run(workers, false);
        fleet.compare();
        let rejected: u64 = counters.rejected().values().sum();
        assert_eq!(rejected, fleet.letters.len() as u64);
        assert_eq!(counters.accepted.load(Relaxed) + rejected, counters.read.load(Relaxed));
        let share = fleet.letters.len() as f64 / counters.read.load(Relaxed) as f64;
        assert!(form == Form::Jsonl && share == 0.0 || (0.045..0.055).contains(&share), "{share}");
    }
}

#[test]
fn stopped_and_resumed_on_other_workers_it_gives_the_same() {
    for (form, sinks) in [
        (Form::AsIs, Sinks::Jsonl),
        (Form::Split, Sinks::Parquet),
        (Form::Broken, Sinks::Jsonl),
        (Form::Broken, Sinks::Parquet),
    ] {
        let fleet = Fleet::new(form, sinks);
        fleet.run(2, true);
        let (resumed, _) = fleet.run(3, true);
        assert!(resumed.resumed_from.is_some() || resumed.was_finished);
        fleet.run(1, false);
        fleet.compare();
        assert!(fleet.run(1, false).0.was_finished);
    }
}
