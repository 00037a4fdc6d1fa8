//! Stopping a run from outside, and what it says while it works.

use crate::process::Shell;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};

pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(sent.expect("kill").success());
}

/// Reads lines until one holds `part`, and returns it.
pub(crate) fn line_with(lines: &mut impl BufRead, part: &str) -> String {
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).expect("UTF-8") > 0, "no `{part}` in:\n{seen}");
        assert!(!line.contains("WARN"), "a sound run has nothing to warn of: {line}");
        if line.contains(part) {
            return line;
        }
        seen.push_str(&line);
    }
}

/// The bundled ships replayed in about a minute: long enough to be stopped.
const SLOWLY: [&str; 4] = ["run", "fleet", "--listen", "127.0.0.1:0"];

#[test]
fn a_signal_stops_with_a_checkpoint_and_the_next_run_says_where_it_goes_on() {
    let shell = Shell::new();
    for (name, until, is_resumed) in [("-INT", "\"read\"", false), ("-TERM", "live map", true)] {
        let mut child = shell.start(&SLOWLY);
        let mut err = BufReader::new(child.stderr.take().expect("a pipe"));
        line_with(&mut err, until);
        signal(&child, name);
        line_with(&mut err, "stopping after a final checkpoint");
        let mut out = String::new();
        child.stdout.take().expect("a pipe").read_to_string(&mut out).expect("UTF-8");
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{out}");
        assert_eq!(out.starts_with("resumed from epoch "), is_resumed, "{out}");
        for part in
            [" records read, ", " accepted, rejected: ", ", late: ", ", rows: ", " records/s"]
        {
            assert!(out.contains(part), "{part} is missing in {out}");
        }
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let shell = Shell::new();
    // Nobody reads its rows: the final checkpoint waits for ever.
    let ships = shell.ships();
    let rows = ["run", "fleet", "--no-serve", "--source", &ships, "--sink", "live=stdout:"];
    let mut child = shell.start(&rows);
    let mut out = child.stdout.take().expect("a pipe");
    out.read_exact(&mut [0]).expect("a first row");
    let mut err = BufReader::new(child.stderr.take().expect("a pipe"));
    signal(&child, "-TERM");
    line_with(&mut err, "once more stops at once");
    signal(&child, "-TERM");
    assert_eq!(child.wait().expect("it ends").code(), Some(128 + 15));
    drop(out);
}

#[test]
fn without_a_terminal_progress_is_a_line_of_json() {
    let shell = Shell::new();
    for (form, on_stdout) in [("text", false), ("jsonl", true)] {
        let mut child = shell.start(&[&SLOWLY[..], &["--output", form]].concat());
        let mut err = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        let line = if on_stdout { line_with(&mut out, "{") } else { line_with(&mut err, "{") };
        let counts: serde_json::Value = serde_json::from_str(&line).expect(&line);
        assert!(counts["read"].as_u64() > Some(0) && counts["rejected"].is_object(), "{line}");
        signal(&child, "-TERM");
        let mut rest = String::new();
        out.read_to_string(&mut rest).expect("UTF-8");
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
        assert_eq!(rest.starts_with('{'), on_stdout, "{rest}");
    }
}

#[test]
fn rejected_records_fail_a_strict_run_which_still_says_what_it_did() {
    let good = r#"{"entity_id":"a","ts":1,"lat":1.0,"lon":2.0}"#;
    let shell = Shell::new().with("in.jsonl", &format!("{good}\nnonsense\n{good}\n"));
    let strict = ["run", "fleet", "--no-serve", "--source", "positions=jsonl:in.jsonl"];
    let strict = [&strict[..], &["--fail-on-reject", "--output", "json"]].concat();
    let ran = shell.run(&strict);
    assert_eq!(ran.code, Some(65), "{}", ran.err);
    let told: serde_json::Value = serde_json::from_str(&ran.out).expect(&ran.out);
    assert_eq!((&told["read"], &told["accepted"]), (&3.into(), &2.into()));
    assert_eq!(
        (&told["rejected"]["malformed"], &told["error"]["exit_code"]),
        (&1.into(), &65.into())
    );
    let again = shell.run(&["run", "fleet", "--no-serve", "--source", "positions=jsonl:in.jsonl"]);
    assert_eq!(
        again.out,
        "nothing to do: an earlier run came to the end of the input, and what was added since is not read; start anew with --fresh\n"
    );
}

#[test]
fn rows_on_standard_output_stand_alone() {
    let shell = Shell::new();
    let ships = shell.ships();
    let ran =
        shell.run(&["run", "fleet", "--no-serve", "--source", &ships, "--sink", "trips=stdout:"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.lines().count() > 0 && ran.out.lines().all(|line| line.starts_with('{')));
    assert!(ran.err.contains("8689 records read"), "{}", ran.err);
}
