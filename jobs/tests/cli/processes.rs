//! A job in several processes: the answers of one, through kills, stops and signals, and nobody left
//! behind.

mod kills;
mod stops;
mod views;
mod workers;

use crate::process::{Ran, Shell};
use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Child, Command};
use std::time::Duration;

const SINKS: [&str; 5] = ["live", "cells", "crossings", "trips", "stops"];
const FILES: usize = 4;
const ENTITIES: usize = 40;
const STEPS: usize = 200;

/// A folder with positions in four files, so that every process has some to read, and the rows that
/// one worker makes of them.
struct Place {
    shell: Shell,
    expected: BTreeMap<&'static str, Vec<String>>,
}

/// How a job that was started has ended.
struct Running {
    child: Child,
}

impl Running {
    fn id(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    fn is_over(&mut self) -> bool {
        self.child.try_wait().expect("a status").is_some()
    }

    fn end(mut self) -> Ran {
        let mut texts = [String::new(), String::new()];
        let (out, err) = (self.child.stdout.take(), self.child.stderr.take());
        std::thread::scope(|scope| {
            let [to_out, to_err] = &mut texts;
            scope.spawn(|| out.expect("a pipe").read_to_string(to_out).expect("UTF-8"));
            err.expect("a pipe").read_to_string(to_err).expect("UTF-8");
        });
        let [out, err] = texts;
        let code = self.child.wait().expect("it ends").code();
        assert!(!err.contains("a bug") && !err.contains("panicked"), "{err}");
        Ran { code, out, err }
    }
}

impl Place {
    fn new() -> Self {
        let shell = Shell::new();
        std::fs::create_dir(shell.path().join("in")).expect("a folder");
        for file in 0..FILES {
            let text = positions(file);
            std::fs::write(shell.path().join(format!("in/{file}.jsonl")), text).expect("a file");
        }
        let mut place = Self { shell, expected: BTreeMap::new() };
        let ran = place.run("alone", "max", &["--workers", "1"]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        place.expected = place.rows("alone");
        place
    }

    /// `waystream run fleet` with checkpoints and sinks of a name.
    fn arguments(&self, name: &str, speed: &str, more: &[&str]) -> Vec<String> {
        let mut arguments: Vec<String> = ["run", "fleet", "--no-serve", "--no-progress"]
            .into_iter()
            .map(str::to_owned)
            .collect();
        arguments.push(format!("--source=positions=jsonl:in/*.jsonl?speed={speed}"));
        arguments.push(format!("--checkpoints={name}/checkpoints"));
        arguments.push("--checkpoint-every=20ms".to_owned());
        for sink in SINKS {
            arguments.push(format!("--sink={sink}=jsonl:{name}/{sink}.jsonl"));
        }
        arguments.extend(more.iter().map(|more| (*more).to_owned()));
        arguments
    }

    fn run(&self, name: &str, speed: &str, more: &[&str]) -> Ran {
        self.start(name, speed, more).end()
    }

    fn start(&self, name: &str, speed: &str, more: &[&str]) -> Running {
        self.start_with(&self.arguments(name, speed, more))
    }

    fn start_with(&self, arguments: &[String]) -> Running {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Running { child: self.shell.start(&arguments) }
    }

    fn rows(&self, name: &str) -> BTreeMap<&'static str, Vec<String>> {
        let rows = |sink: &str| {
            let text = self.shell.read(&format!("{name}/{sink}.jsonl"));
            let mut rows: Vec<_> = text.lines().map(str::to_owned).collect();
            rows.sort();
            rows
        };
        SINKS.into_iter().map(|sink| (sink, rows(sink))).collect()
    }

    fn compare(&self, name: &str, said: &str) {
        for (sink, rows) in self.rows(name) {
            let expected = &self.expected[sink];
            let counts = (rows.len(), expected.len());
            assert!(rows == *expected, "{sink}: {} rows, expected {}: {said}", counts.0, counts.1);
        }
    }

    /// Number of the newest manifest.
    fn manifest(&self, name: &str) -> u64 {
        let folder = self.shell.path().join(name).join("checkpoints");
        let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let numbers = names.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_prefix("manifest-")?.strip_suffix(".json")?.parse().ok()
        });
        numbers.max().unwrap_or(0)
    }

    /// Waits until there are so many manifests more.
    fn wait_for_manifests(&self, name: &str, running: &mut Running, more: u64) {
        let before = self.manifest(name);
        wait("manifests", || self.manifest(name) >= before + more || running.is_over());
    }
}

/// Positions of some entities in order of time, the same at every call: they walk, rest, and cross
/// zones, and no two files hold the same entity.
fn positions(file: usize) -> String {
    let mut random = 7 + file as u64;
    let mut text = String::new();
    let mut places = vec![(40.65, -74.05); ENTITIES];
    for step in 0..STEPS {
        for (entity, (lat, lon)) in places.iter_mut().enumerate() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if (step / 40 + entity) % 3 > 0 {
                *lat += ((random >> 40) % 200) as f64 * 1e-5 - 1e-3;
                *lon += ((random >> 50) % 200) as f64 * 1e-5 - 1e-3;
            }
            let ts = 1_700_000_000_000_u64 + (step * 15_000 + entity * 7) as u64;
            text.push_str(&format!(
                "{{\"entity_id\":\"e{file}-{entity}\",\"ts\":{ts},\"lat\":{lat:.5},\"lon\":{lon:.5}}}\n"
            ));
        }
    }
    text
}

fn signal(process: u32, name: &str) {
    // One that has ended meanwhile is none to be signalled.
    let _ = Command::new("kill").args([name, &process.to_string()]).output();
}

/// Waits for something that has to come.
fn wait(what: &str, is_there: impl FnMut() -> bool) {
    assert!(comes(is_there), "waited in vain for {what}");
}

fn comes(mut is_there: impl FnMut() -> bool) -> bool {
    for _ in 0..12_000 {
        if is_there() {
            return true;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    false
}

/// The field of a process' status in /proc that follows its name: state first, then its parent.
fn status(process: u32) -> Option<(char, u32)> {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = status.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn is_alive(process: u32) -> bool {
    status(process).is_some_and(|(state, _)| state != 'Z')
}

/// The processes that a supervisor has started, in that order.
fn children(supervisor: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child =
        |id: &u32| status(*id).is_some_and(|(state, of)| of == supervisor && state != 'Z');
    let mut children: Vec<u32> = ids.filter(is_child).collect();
    children.sort_unstable();
    children
}

/// The children once there are so many.
fn all_children(running: &mut Running, count: usize) -> Vec<u32> {
    let mut found = Vec::new();
    wait("all processes", || {
        found = children(running.id());
        found.len() == count || running.is_over()
    });
    found
}

#[test]
fn the_bundled_hour_has_the_same_rows_on_any_number_of_processes() {
    let shell = Shell::new();
    let ships = shell.ships();
    let run = |name: &str, shape: &[&str]| {
        let sinks = SINKS.map(|sink| format!("--sink={sink}=jsonl:{name}/{sink}.jsonl"));
        let checkpoints = format!("--checkpoints={name}/checkpoints");
        let mut arguments = vec!["run", "fleet", "--no-serve", "--source", &ships, &checkpoints];
        arguments.extend(["--checkpoint-every", "10ms"]);
        arguments.extend(sinks.iter().map(String::as_str));
        arguments.extend(shape);
        let ran = shell.run(&arguments);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{shape:?}");
        for part in ["8689 records read, 8689 accepted, rejected: none, late: none", "live 8689"] {
            assert!(ran.out.contains(part), "{shape:?}: {}", ran.out);
        }
        SINKS.map(|sink| {
            let text = shell.read(&format!("{name}/{sink}.jsonl"));
            let mut rows: Vec<_> = text.lines().map(str::to_owned).collect();
            rows.sort();
            rows
        })
    };
    let expected = run("alone", &["--workers", "1"]);
    for (processes, workers) in [("2", "1"), ("2", "2"), ("3", "1")] {
        let name = format!("{processes}x{workers}");
        let rows = run(&name, &["--processes", processes, "--workers", workers]);
        assert!(rows == expected, "{name}");
    }
}

#[test]
fn what_a_start_cannot_mend_ends_the_job_with_its_code() {
    let place = Place::new();
    let three = ["--processes", "3"];
    let ran = place.run("a", "max", &[&three[..], &["--set", "window=0s"]].concat());
    assert_eq!(ran.code, Some(78), "{}", ran.err);
    let ran = place.run("a", "max", &["--processes", "512"]);
    assert_eq!(ran.code, Some(64), "{}", ran.err);
    let ran = place.run("a", "max", &["--processes", "200", "--workers", "200"]);
    assert!(ran.code == Some(78) && ran.err.contains("1024 workers in all"), "{}", ran.err);
    std::fs::write(place.shell.path().join("in/4.jsonl"), "nonsense\n").expect("a file");
    let strict = [&three[..], &["--fail-on-reject", "--output", "json"]].concat();
    let ran = place.run("b", "max", &strict);
    assert_eq!(ran.code, Some(65), "{}", ran.err);
    let told: serde_json::Value = serde_json::from_str(&ran.out).expect(&ran.out);
    assert_eq!(
        (&told["rejected"]["malformed"], &told["error"]["exit_code"]),
        (&1.into(), &65.into())
    );
    assert_eq!(ran.err.matches("error: ").count(), 1, "{}", ran.err);
    let first = place.start("c", "60x", &three);
    wait("a first run", || place.manifest("c") > 0);
    let second = place.run("c", "60x", &three);
    assert_eq!(second.code, Some(69), "{}", second.err);
    assert!(second.err.contains("runs a job from"), "{}", second.err);
    first.signal("-TERM");
    assert_eq!(first.end().code, Some(0));
}

/// Ticks of 10 ms that a process has had a processor for.
fn ticks(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("a process");
    let fields: Vec<&str> = status.rsplit(')').next().expect("fields").split(' ').collect();
    fields[12..14].iter().map(|ticks| ticks.parse::<u64>().expect("ticks")).sum()
}

/// Three of the four workers have nothing to read, the other waits for the time of its second row.
#[test]
fn who_has_nothing_to_do_sleeps() {
    let line =
        |ts: u64| format!("{{\"entity_id\":\"a\",\"ts\":{ts},\"lat\":40.6,\"lon\":-74.0}}\n");
    let shell = Shell::new().with("in.jsonl", &format!("{}{}", line(1_000), line(9_000_000)));
    let source = "--source=positions=jsonl:in.jsonl?speed=1x";
    let shape = ["--processes", "2", "--workers", "2", "--no-serve", "--no-progress"];
    let arguments = [&["run", "fleet", source][..], &shape].concat();
    let mut running = Running { child: shell.start(&arguments) };
    let processes = all_children(&mut running, 2);
    std::thread::park_timeout(Duration::from_secs(2));
    let before: u64 = processes.iter().map(|process| ticks(*process)).sum();
    std::thread::park_timeout(Duration::from_secs(3));
    let busy: u64 = processes.iter().map(|process| ticks(*process)).sum::<u64>() - before;
    assert!(busy < 30, "two idle processes took {busy} of 300 ticks");
    running.signal("-TERM");
    assert_eq!(running.end().code, Some(0));
}
