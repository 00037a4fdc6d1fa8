//! The binary and its checkpoint folder: `fleet` is killed in the middle of the bundled ships, and
//! what it left behind is damaged, taken over, saved and begun from, with real files all the way.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const SINKS: [&str; 3] = ["crossings", "trips", "stops"];

/// A folder with checkpoints and output of `fleet`.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn copy(&self) -> Self {
        let copy = Self::new();
        for folder in ["checkpoints", "out"] {
            std::fs::create_dir(copy.path(folder)).unwrap();
            for entry in std::fs::read_dir(self.path(folder)).unwrap() {
                let name = Path::new(folder).join(entry.unwrap().file_name());
                std::fs::copy(self.folder.path().join(&name), copy.folder.path().join(&name))
                    .unwrap();
            }
        }
        copy
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waystream"));
        command.current_dir(self.folder.path()).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// `waystream run fleet` over the bundled ships, with what `more` says instead.
    fn fleet(&self, speed: &str, more: &[&str]) -> Command {
        let ships = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/ais_nyharbor.parquet");
        let source = format!("positions=parquet:{}?speed={speed}", ships.display());
        let mut command = self.command(&["run", "fleet", "--no-serve", "--no-progress"]);
        command.args(["--workers", "2", "--checkpoint-every", "20ms"]);
        if !more.contains(&"--source") {
            command.args(["--source", &source]);
        }
        if !more.contains(&"--checkpoints") {
            command.args(["--checkpoints", "checkpoints"]);
        }
        for sink in SINKS.iter().filter(|sink| !more.iter().any(|more| more.starts_with(**sink))) {
            command.args(["--sink", &format!("{sink}=jsonl:out/{sink}.jsonl")]);
        }
        command.args(more);
        command
    }

    fn manifests(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("checkpoints")).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let is_manifest = |name: &String| name.starts_with("manifest-") && name.ends_with(".json");
        let mut manifests: Vec<_> = names.filter(is_manifest).collect();
        manifests.sort();
        manifests
    }

    /// Starts the job and waits until it has written manifest number `count`.
    fn start(&self, speed: &str, count: usize) -> Child {
        let mut child = self.fleet(speed, &[]).spawn().unwrap();
        let reached = || self.manifests().pop().is_some_and(|name| number_of(&name) >= count);
        while !reached() {
            assert!(child.try_wait().unwrap().is_none(), "fleet ended too early");
            std::thread::park_timeout(Duration::from_millis(2));
        }
        child
    }

    /// The rows of each sink, sorted.
    fn rows(&self) -> BTreeMap<&'static str, Vec<String>> {
        let rows = |sink: &str| {
            let text = std::fs::read_to_string(self.path(&format!("out/{sink}.jsonl"))).unwrap();
            let mut rows: Vec<_> = text.lines().map(str::to_owned).collect();
            rows.sort();
            rows
        };
        SINKS.into_iter().map(|sink| (sink, rows(sink))).collect()
    }
}

fn number_of(manifest: &str) -> usize {
    manifest["manifest-".len()..][..10].parse().unwrap()
}

/// Killed in the middle of its input, with a dozen checkpoints behind it.
fn killed() -> Place {
    let place = Place::new();
    let mut child = place.start("1200x", 14);
    child.kill().unwrap();
    child.wait().unwrap();
    place
}

/// The rows of a run that nothing disturbs.
fn undisturbed() -> BTreeMap<&'static str, Vec<String>> {
    let place = Place::new();
    done(&mut place.fleet("max", &[]));
    place.rows()
}

fn done(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    text
}

/// Runs a command that has to be refused with this code, these words and a hint.
fn refused(command: &mut Command, code: i32, words: &str) {
    let Output { status, stderr, .. } = command.output().unwrap();
    let text = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(code), "{text}");
    assert!(text.contains(words) && text.contains("hint: "), "should say {words:?}: {text}");
    assert!(!text.contains("a bug"), "{text}");
}

#[test]
fn damage_is_refused_by_name_and_falling_back_gives_the_same_rows() {
    let (left, expected) = (killed(), undisturbed());
    let newest = left.manifests().pop().unwrap();
    let text = std::fs::read_to_string(left.path("checkpoints").join(&newest)).unwrap();
    let body: serde_json::Value = serde_json::from_str(text.split_once('\n').unwrap().1).unwrap();
    let last = body["segments"].as_array().unwrap().last().unwrap()["name"].clone();
    let segment = last.as_str().unwrap();
    let empty: fn(&Path) = |path| std::fs::write(path, b"").unwrap();
    let flipped: fn(&Path) = |path| {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 16;
        std::fs::write(path, bytes).unwrap();
    };
    let folder: fn(&Path) = |path| {
        std::fs::remove_file(path).unwrap();
        std::fs::create_dir(path).unwrap();
    };
    let dangling: fn(&Path) = |path| {
        std::fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink("nowhere", path).unwrap();
    };
    for (number, damage) in [flipped, empty, folder, dangling].into_iter().enumerate() {
        for name in [newest.as_str(), segment] {
            let place = left.copy();
            damage(&place.path("checkpoints").join(name));
            refused(&mut place.fleet("max", &[]), 74, name);
            if number == usize::from(name == segment) {
                let told = done(&mut place.fleet("max", &["--fallback"]));
                assert!(told.contains("gave up a checkpoint: "), "{told}");
                assert!(told.contains(name) && told.contains("going on from epoch "), "{told}");
                assert_eq!(place.rows(), expected);
            }
        }
    }
}

#[test]
fn a_savepoint_begins_another_history_with_the_same_rows() {
    let (place, expected) = (killed(), undisturbed());
    done(&mut place.command(&[
        "savepoint",
        "fleet",
        "--checkpoints",
        "checkpoints",
        "--to",
        "saved",
    ]));
    let from = ["--from", "saved", "--checkpoints"];
    refused(&mut place.fleet("max", &[&from[..], &["checkpoints"]].concat()), 78, "savepoint");
    let told = done(&mut place.fleet("max", &[&from[..], &["second"]].concat()));
    assert!(told.contains("beginning a history from the savepoint"), "{told}");
    assert_eq!(place.rows(), expected);
    done(&mut place.fleet("max", &["--checkpoints", "checkpoints"]));
    assert_eq!(place.rows(), expected);
}

#[test]
fn a_sink_of_another_kind_and_a_source_with_other_files_are_refused() {
    let place = killed();
    let other = |more: &[&str]| place.fleet("max", more);
    refused(
        &mut other(&["--sink", "crossings=stdout:"]),
        78,
        "sink `crossings` is jsonl, in the job stdout",
    );
    refused(&mut other(&["--source", "positions=parquet:*.parquet"]), 78, "`positions` is source");
    std::fs::remove_file(place.path("out/crossings.jsonl")).unwrap();
    refused(&mut place.fleet("max", &[]), 74, "out/crossings.jsonl is missing");
}

#[test]
fn a_second_process_is_refused_until_the_first_is_gone() {
    let place = Place::new();
    let mut first = place.start("60x", 3);
    refused(&mut place.fleet("max", &[]), 69, "runs a job from");
    first.kill().unwrap();
    first.wait().unwrap();
    done(&mut place.fleet("max", &[]));
    assert_eq!(place.rows(), undisturbed());
}
