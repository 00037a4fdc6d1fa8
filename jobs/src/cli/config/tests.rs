//! Layers, files and variables, case by case.

use super::{Form, Level, Resolved, Surroundings, resolve};
use crate::cli::arguments::{Arguments, Command};
use clap::Parser;
use expect_test::{Expect, expect};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use waystream_engine::error::{ErrorKind, Result};

/// A folder for files, and the weaker layers in it.
struct Case {
    folder: tempfile::TempDir,
    around: Surroundings,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().join("waystream.toml");
        let user = Some(folder.path().join("user.toml"));
        Self { folder, around: Surroundings { variables: Vec::new(), here, user } }
    }

    fn with(self, file: &str, bytes: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.path(file), bytes).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.around.variables.push((name.into(), value.into()));
        self
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// The job `fleet` with these flags.
    fn resolve(&self, flags: &[&str]) -> Result<Resolved> {
        let line = ["waystream", "run", "fleet"].iter().chain(flags);
        let arguments = Arguments::try_parse_from(line).unwrap();
        let Command::Run(run) = arguments.command else { panic!("not a run") };
        resolve(&crate::all(), &run.job, run.options(), &self.around)
    }

    /// What is wrong, its hint and exit code; folders are taken out.
    fn told(&self, flags: &[&str]) -> String {
        let told = match self.resolve(flags) {
            Ok(_) => "fine".to_owned(),
            Err(error) => {
                let hint = error.hint.as_deref().unwrap_or("-");
                format!("{} {error} | {hint}", error.kind.exit_code())
            }
        };
        told.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

/// One line for what each text of `waystream.toml` leads to.
fn check_files(texts: &[&[u8]], expected: &Expect) {
    let mut out = String::new();
    for text in texts {
        let told = Case::new().with("waystream.toml", text).told(&[]);
        writeln!(out, "{told}").unwrap();
    }
    expected.assert_eq(&out);
}

#[test]
fn the_strongest_layer_wins_key_by_key() {
    let case = Case::new()
        .with("user.toml", "[run]\nworkers = 2\nlog = 'info'\noutput = 'json'\nserve = false")
        .with("waystream.toml", "[run]\nworkers = 3\nlog = 'error'\noutput = 'jsonl'")
        .with("other.toml", "[run]\nworkers = 4\nlog = 'debug'")
        .variable("WAYSTREAM__RUN__WORKERS", "5");
    let config = case.path("other.toml").display().to_string();
    let options = case.resolve(&["--config", &config, "--workers", "6"]).unwrap().options;
    assert_eq!(options.workers, 6);
    let options = case.resolve(&["--config", &config]).unwrap().options;
    assert_eq!((options.workers, options.log), (5, Level::Debug));
    assert_eq!((options.output, options.serve), (Form::Jsonl, false));
    let options = Case { around: Surroundings { variables: vec![], ..case.around }, ..case };
    let options = options.resolve(&[]).unwrap().options;
    assert_eq!((options.workers, options.log), (3, Level::Error));
}

#[test]
fn without_any_layer_the_defaults_hold() {
    let options = Case::new().resolve(&[]).unwrap().options;
    assert_eq!((options.workers, options.checkpoint_every), (1, Duration::from_secs(1)));
    assert_eq!(options.checkpoints, Path::new(".waystream/fleet"));
    assert_eq!((options.listen.as_str(), options.listen_remote), ("127.0.0.1:7700", false));
    assert_eq!((options.serve, options.progress, options.fail_on_reject), (true, true, false));
    assert_eq!((options.output, options.log), (Form::Text, Level::Warn));
}

#[test]
fn what_is_said_for_the_job_wins_over_what_is_said_for_all() {
    let text = "[run]\nworkers = 2\nlog = 'info'\n[settings]\nwindow = '5s'\n\
                [jobs.fleet.run]\nworkers = 3\n[jobs.fleet.settings]\nwindow = '6s'\n\
                resolution = 7\nstrict-zones = true\nstop-radius = '1km'\n\
                [jobs.fleet.sinks.cells]\nurl = 'jsonl:cells'";
    let resolved = Case::new().with("waystream.toml", text).resolve(&[]).unwrap();
    assert_eq!((resolved.options.workers, resolved.options.log), (3, Level::Info));
    assert_eq!(resolved.deployment.settings["window"], "6s");
    assert_eq!(resolved.deployment.settings["resolution"], "7");
    assert_eq!(resolved.deployment.settings["strict-zones"], "true");
    assert_eq!(resolved.deployment.sinks["cells"], "jsonl:cells");
    let variables = Case::new()
        .variable("WAYSTREAM__SETTINGS__TRIP_GAP", "9s")
        .variable("WAYSTREAM__JOBS__FLEET__SETTINGS__TRIP_GAP", "8s")
        .variable("WAYSTREAM__SINKS__DEAD_LETTERS__URL", "jsonl:dead")
        .variable("WAYSTREAM_SEEDS", "1");
    let resolved = variables.resolve(&[]).unwrap();
    assert_eq!(resolved.deployment.settings["trip-gap"], "8s");
    assert_eq!(resolved.deployment.sinks["dead-letters"], "jsonl:dead");
}

#[test]
fn files_that_are_no_configuration() {
    let case = Case::new();
    std::fs::create_dir(case.path("folder")).unwrap();
    let (missing, folder) = (case.path("missing.toml"), case.path("folder"));
    let mut out = String::new();
    for file in [&missing, &folder] {
        writeln!(out, "{}", case.told(&["--config", &file.display().to_string()])).unwrap();
    }
    std::fs::create_dir(case.path("waystream.toml")).unwrap();
    writeln!(out, "{}", case.told(&[])).unwrap();
    expect![[r#"
        78 missing.toml: there is no such file | --config names a configuration file
        78 folder: this is a folder, not a configuration file | name a file in it
        78 waystream.toml: this is a folder, not a configuration file | name a file in it
    "#]]
    .assert_eq(&out);
    let huge = vec![b'\n'; 100 << 20];
    let deep = [b"a = ".as_slice(), "[".repeat(100_000).as_bytes()].concat();
    check_files(
        &[b"", b"# nothing\n", b"x = \"a\xff\"", &huge, &deep],
        &expect![[r#"
            fine
            fine
            78 waystream.toml: line 1 is not UTF-8 | save the file as UTF-8
            78 waystream.toml: a configuration file has at most 1024 KiB | is this the file you meant?
            78 waystream.toml:1:85: cannot recurse further; max recursion depth met | mend the line: a section is [run], and below it stands name = "text" or name = 1
        "#]],
    );
}

#[test]
fn a_byte_order_mark_and_carriage_returns_are_fine() {
    let text = "\u{feff}[run]\r\nworkers = 2\r\n[settings]\r\nwindow = \"7s\"\r\n";
    let resolved = Case::new().with("waystream.toml", text).resolve(&[]).unwrap();
    assert_eq!(
        (resolved.options.workers, resolved.deployment.settings["window"].as_str()),
        (2, "7s")
    );
}

#[test]
fn syntax_and_names() {
    check_files(
        &[
            b"[run]\nworkers = \n",
            b"[run\n",
            b"[run]\nworkers = 1\nworkers = 2\n",
            b"[run]\nworkers = 1\n[run]\nlog = 'off'\n",
            b"[runs]\nworkers = 1\n",
            b"workers = 1\n",
            b"\n[run]\n  \xc3\xa9 = 1\n",
            b"[run]\nworker = 1\n",
            b"[settings]\nwindows = '60s'\n",
            b"[sources.position]\nurl = 'jsonl:x'\n",
            b"[sinks.nowhere]\nurl = 'jsonl:x'\n",
            b"[sinks.cells]\nuri = 'jsonl:x'\n",
            b"[sinks.cells]\n",
            b"[sinks]\ncells = 'jsonl:x'\n",
            b"[jobs.flet.run]\nworkers = 1\n",
            b"[jobs]\nfleet = 3\n",
            b"[jobs.fleet.jobs]\n",
        ],
        &expect![[r#"
            78 waystream.toml:2:11: string values must be quoted, expected literal string | mend the line: a section is [run], and below it stands name = "text" or name = 1
            78 waystream.toml:1:5: unclosed table, expected `]` | mend the line: a section is [run], and below it stands name = "text" or name = 1
            78 waystream.toml:3:1: duplicate key | mend the line: a section is [run], and below it stands name = "text" or name = 1
            78 waystream.toml:3:2: duplicate key | mend the line: a section is [run], and below it stands name = "text" or name = 1
            78 waystream.toml:1:2: there is no section `runs` | did you mean `run`?
            78 waystream.toml:1:1: there is no section `workers` | known: run, sources, sinks, settings, jobs
            78 waystream.toml:3:3: invalid unquoted key, expected letters, numbers, `-`, `_` | mend the line: a section is [run], and below it stands name = "text" or name = 1
            78 waystream.toml:2:1: there is no option `worker` | did you mean `workers`?
            78 waystream.toml:2:11: the job has no setting `windows` | did you mean `window`?; what is for another job goes below [jobs.NAME]
            78 waystream.toml:2:7: the job has no source `position` | did you mean `positions`?; what is for another job goes below [jobs.NAME]
            78 waystream.toml:2:7: the job has no sink `nowhere` | known: cells, crossings, dead-letters, live, stops, trips; what is for another job goes below [jobs.NAME]
            78 waystream.toml:2:1: there is no key `uri` | did you mean `url`?
            78 waystream.toml:1:1: sinks.cells has no `url` | write url = "…", or take the section out
            78 waystream.toml:2:9: sinks.cells is a section, not of type string | write [sinks.cells], below it url = "…"
            78 waystream.toml:1:7: there is no job `flet` | did you mean `fleet`?
            78 waystream.toml:2:9: jobs.fleet is a section, not of type integer | write [jobs.fleet], below it key = value
            78 waystream.toml:1:13: there is no section `jobs` | known: run, sources, sinks, settings
        "#]],
    );
    let elsewhere = Case::new().with("user.toml", "[jobs.rides.settings]\nanything = 1");
    assert_eq!(elsewhere.told(&[]), "fine");
}

#[test]
fn types_and_values() {
    check_files(
        &[
            b"run = 1\n",
            b"[run]\nworkers = '2'\n",
            b"[run]\nworkers = 1.5\n",
            b"[run]\nworkers = 0\n",
            b"[run]\nworkers = -1\n",
            b"[run]\nworkers = 65536\n",
            b"[run]\nworkers = 0x10\n",
            b"[run]\ncheckpoint-every = 1\n",
            b"[run]\ncheckpoint-every = '1'\n",
            b"[run]\ncheckpoint-every = '0s'\n",
            b"[run]\ncheckpoint-every = '-1s'\n",
            b"[run]\ncheckpoint-every = '5 lightyears'\n",
            b"[run]\ncheckpoint-every = '2h'\n",
            b"[run]\nserve = 'no'\n",
            b"[run]\nlog = 'wran'\n",
            b"[run]\noutput = 'xml'\n",
            b"[run]\nlisten = '7700'\n",
            b"[run]\nlisten = '127.0.0.1:99999'\n",
            b"[run]\ncheckpoints = ''\n",
            b"[run]\ncheckpoints = '~/state'\n",
            b"[run]\ncheckpoints = '/state/'\n",
            b"[sinks.cells]\nurl = 'jsonl:${HOME}/cells'\n",
            b"[sinks.cells]\nurl = 1\n",
            b"[settings]\nwindow = 1979-05-27\n",
        ],
        &expect![[r#"
            78 waystream.toml:1:7: run is a section, not of type integer | write [run], below it key = value
            78 waystream.toml:2:11: `workers` is a whole number without quotes, not of type string | -
            78 waystream.toml:2:11: `workers` is a whole number without quotes, not of type float | -
            78 waystream.toml:2:11: workers `0`: write a whole number from 1 to 1024 | -
            78 waystream.toml:2:11: workers `-1`: write a whole number from 1 to 1024 | -
            78 waystream.toml:2:11: workers `65536`: write a whole number from 1 to 1024 | -
            fine
            78 waystream.toml:2:20: `checkpoint-every` is a text in quotes, not of type integer | -
            78 waystream.toml:2:20: checkpoint-every `1`: a duration needs a unit: ms, s, min, h or d | -
            78 waystream.toml:2:20: checkpoint-every `0s`: write a time from 1ms to 1h | -
            78 waystream.toml:2:20: checkpoint-every `-1s`: write a duration such as 500ms, 60s or 5min | -
            78 waystream.toml:2:20: checkpoint-every `5 lightyears`: `lightyears` is no unit of time: use ms, s, min, h or d | -
            78 waystream.toml:2:20: checkpoint-every `2h`: write a time from 1ms to 1h | -
            78 waystream.toml:2:9: `serve` is true or false without quotes, not of type string | -
            78 waystream.toml:2:7: log `wran`: did you mean `warn`? | -
            78 waystream.toml:2:10: output `xml`: known: text, json, jsonl | -
            78 waystream.toml:2:10: listen `7700`: write HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:7700 | -
            78 waystream.toml:2:10: listen `127.0.0.1:99999`: write HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:7700 | -
            78 waystream.toml:2:15: checkpoints ``: write a folder | -
            78 waystream.toml:2:15: checkpoints `~/state`: `~` is not replaced here: write the whole path | -
            fine
            78 waystream.toml:2:7: the URL of `cells`: `${…}` is not replaced here: set WAYSTREAM__SECTION__KEY instead | -
            78 waystream.toml:2:7: `url` is a text in quotes, not integer | -
            78 waystream.toml:2:10: setting `window` cannot be of type datetime | write a text, a number, true or false
        "#]],
    );
}

#[test]
fn what_the_job_refuses_is_named_where_it_was_written() {
    check_files(
        &[
            b"[settings]\nwindow = 60\n",
            b"[settings]\nwindow = '0s'\n",
            b"[settings]\nwindow = '-5s'\n",
            b"[settings]\nresolution = 16\n",
            b"[settings]\nresolution = -1\n",
            b"[settings]\nresolution = 15\n",
            b"[settings]\nstop-radius = '5'\n",
            b"[settings]\nzones = 'missing.geojson'\n",
            b"[sources.positions]\nurl = 'parqet:x'\n",
            b"[sinks.cells]\nurl = 'cells.jsonl'\n",
            b"[sinks.cells]\nurl = 'parquet:out?roll=1GX'\n",
            b"[sinks.cells]\nurl = 'parquet:out?roll=1GiB'\n",
            b"[sinks.cells]\nurl = 'parquet:out?roll=1GB'\n",
        ],
        &expect![[r#"
            78 waystream.toml:2:10: setting window: `60`: a duration needs a unit: ms, s, min, h or d | -
            78 operator cells: a window size of 0ns is not a positive whole number of milliseconds | use whole milliseconds, and a slide that divides the size
            78 waystream.toml:2:10: setting window: `-5s`: write a duration such as 500ms, 60s or 5min | -
            78 waystream.toml:2:14: setting resolution: `16`: 16 is no H3 resolution: 0 to 15 are | -
            78 waystream.toml:2:14: setting resolution: `-1`: write a whole number from 0 to 255 | -
            fine
            78 waystream.toml:2:15: setting stop-radius: `5`: write a length such as 100m or 2.5km | -
            78 zones missing.geojson: cannot read the file: No such file or directory (os error 2) | give the path of a GeoJSON file that this user may read
            78 waystream.toml:2:7: positions: unknown scheme `parqet:` of a source URL | did you mean `parquet`?
            78 waystream.toml:2:7: sink cells: `cells.jsonl` is no URL: it has no scheme | write jsonl:cells.jsonl
            78 waystream.toml:2:7: sink cells: `roll=1GX` is not a size | write a number of bytes such as 64MiB
            fine
            fine
        "#]],
    );
}

#[test]
fn variables() {
    let mut out = String::new();
    for (name, value) in [
        ("WAYSTREAM__RUN__WORKERS", "many"),
        ("WAYSTREAM__RUN__WORKERS", ""),
        ("WAYSTREAM__RUN__CHECKPOINT_EVERY", "2s"),
        ("WAYSTREAM__RUN__CHECKPOINT_EVRY", "2s"),
        ("WAYSTREAM__RUN", "1"),
        ("WAYSTREAM__", "1"),
        ("WAYSTREAM__RUNS__WORKERS", "1"),
        ("WAYSTREAM__SOURCES__POSITIONS", "jsonl:x"),
        ("WAYSTREAM__SOURCES__POSITION__URL", "jsonl:x"),
        ("WAYSTREAM__SETTINGS__TRIP_GAPS", "1s"),
        ("WAYSTREAM__SETTINGS__TRIP_GAP", "1"),
        ("WAYSTREAM__JOBS__FLET__SETTINGS__TRIP_GAP", "1s"),
    ] {
        writeln!(out, "{}", Case::new().variable(name, value).told(&[])).unwrap();
    }
    expect![[r#"
        78 WAYSTREAM__RUN__WORKERS: workers `many`: write a whole number from 1 to 1024 | -
        78 WAYSTREAM__RUN__WORKERS: workers ``: write a whole number from 1 to 1024 | -
        fine
        78 WAYSTREAM__RUN__CHECKPOINT_EVRY: there is no option `checkpoint-evry` | did you mean `checkpoint-every`?
        78 WAYSTREAM__RUN: this variable names no value | write WAYSTREAM__RUN__KEY
        78 WAYSTREAM__: there is no section `` | known: run, sources, sinks, settings, jobs
        78 WAYSTREAM__RUNS__WORKERS: there is no section `runs` | did you mean `run`?
        78 WAYSTREAM__SOURCES__POSITIONS: this variable names no value | write WAYSTREAM__SOURCES__NAME__URL
        78 WAYSTREAM__SOURCES__POSITION__URL: the job has no source `position` | did you mean `positions`?
        78 WAYSTREAM__SETTINGS__TRIP_GAPS: the job has no setting `trip-gaps` | did you mean `trip-gap`?
        78 WAYSTREAM__SETTINGS__TRIP_GAP: setting trip-gap: `1`: a duration needs a unit: ms, s, min, h or d | -
        78 WAYSTREAM__JOBS__FLET__SETTINGS__TRIP_GAP: there is no job `flet` | did you mean `fleet`?
    "#]].assert_eq(&out);
}

#[test]
fn a_variable_that_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let mut case = Case::new();
    let value = std::ffi::OsString::from_vec(vec![0xff]);
    case.around.variables.push(("WAYSTREAM__RUN__LOG".into(), value));
    let error = case.resolve(&[]).unwrap_err();
    assert_eq!(error.to_string(), "WAYSTREAM__RUN__LOG: the value is not UTF-8");
    assert_eq!(error.kind, ErrorKind::Configuration);
}

#[test]
fn mistakes_on_the_command_line_are_of_usage() {
    let mut out = String::new();
    for flags in [
        ["--workers", "abc"],
        ["--workers", "1.5"],
        ["--workers", "1e3"],
        ["--workers", ""],
        ["--workers", "-1"],
        ["--checkpoint-every", "1"],
        ["--listen", "127.0.0.1:99999"],
        ["--output", "jsn"],
        ["--log", "loud"],
        ["--source", "postions=jsonl:x"],
        ["--sink", "trip=jsonl:x"],
        ["--sink", "trips=jsonl:~/x"],
        ["--set", "windw=60s"],
        ["--set", "window=60"],
    ] {
        writeln!(out, "{}", Case::new().told(&flags)).unwrap();
    }
    expect![[r#"
        64 --workers: `abc`: write a whole number from 1 to 1024 | -
        64 --workers: `1.5`: write a whole number from 1 to 1024 | -
        64 --workers: `1e3`: write a whole number from 1 to 1024 | -
        64 --workers: ``: write a whole number from 1 to 1024 | -
        64 --workers: `-1`: write a whole number from 1 to 1024 | -
        64 --checkpoint-every: `1`: a duration needs a unit: ms, s, min, h or d | -
        64 --listen: `127.0.0.1:99999`: write HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:7700 | -
        64 --output: `jsn`: did you mean `json`? | -
        64 --log: `loud`: known: off, error, warn, info, debug, trace | -
        64 --source: the job has no source `postions` | did you mean `positions`?
        64 --sink: the job has no sink `trip` | did you mean `trips`?
        64 --sink: the URL of `trips`: `~` is not replaced here: write the whole path | -
        64 --set: the job has no setting `windw` | did you mean `window`?
        78 --set: setting window: `60`: a duration needs a unit: ms, s, min, h or d | -
    "#]].assert_eq(&out);
    let twice = ["--set", "window=60s", "--set", "window=61s"];
    expect!["64 --set: setting `window` is given twice | keep one of them"]
        .assert_eq(&Case::new().told(&twice));
}

#[test]
fn the_guide_names_every_option_and_section() {
    let guide = include_str!("../../../docs/config.md");
    for (option, _) in super::options::OPTIONS {
        assert!(guide.contains(&format!("`{option}`")), "{option}");
    }
}
