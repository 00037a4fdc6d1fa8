//! The real binary, from outside: exit codes, what is said, and what signals and closed pipes do.

use crate::process::{Ran, Shell};
use expect_test::{Expect, expect};
use std::os::unix::ffi::OsStrExt;

/// What a wrong command line is answered with.
fn check(arguments: &[&str], code: i32, expected: &Expect) {
    let ran = Shell::new().run(arguments);
    expected.assert_eq(&ran.err);
    assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""), "{arguments:?}");
}

#[test]
fn nothing_to_do_is_answered_with_help() {
    let ran = Shell::new().run(&[]);
    assert_eq!(ran.code, Some(64));
    for part in ["Usage: waystream <COMMAND>", "waystream run fleet", "Exit codes: 0 done"] {
        assert!(ran.err.contains(part), "{part} is missing in {}", ran.err);
    }
}

#[test]
fn help_and_version_are_answers() {
    for arguments in [&["help"][..], &["--help"], &["help", "run"], &["new", "-h"], &["--version"]]
    {
        let ran = Shell::new().run(arguments);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(ran.out.to_lowercase().contains("waystream"), "{}", ran.out);
    }
}

#[test]
fn wrong_names_are_answered_with_the_right_ones() {
    let shell = Shell::new();
    for (arguments, code, hint) in [
        (&["rnu", "fleet"][..], 64, "did you mean `run`?"),
        (&["valdate", "fleet"], 64, "'validate'"),
        (&["run", "fleet", "--worker", "2"], 64, "'--workers'"),
        (&["run", "flet"], 64, "did you mean `fleet`?"),
        (&["run", "nothing-like-it"], 64, "known: fleet"),
        (&["run", "fleet", "--source", "position=jsonl:x"], 64, "did you mean `positions`?"),
        (&["run", "fleet", "--sink", "crossing=jsonl:x"], 64, "did you mean `crossings`?"),
        (&["run", "fleet", "--set", "trip-gaps=1s"], 64, "did you mean `trip-gap`?"),
        (&["graph", "flet"], 64, "did you mean `fleet`?"),
        (&["validate", "fleet", "--set", "wndow=1s"], 64, "did you mean `window`?"),
        (&["run", "fleet", "--source", "positions=jsnl:x"], 78, "did you mean `jsonl`?"),
    ] {
        let ran = shell.run(arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(hint), "{arguments:?}: {}", ran.err);
        assert_eq!(ran.out, "", "{arguments:?}");
    }
    assert!(shell.is_empty(), "a refused run left something behind");
}

#[test]
fn flags_are_given_once() {
    check(
        &["run", "fleet", "--workers", "1", "--workers", "2"],
        64,
        &expect![[r#"
        error: the argument '--workers <N>' cannot be used multiple times

        Usage: waystream run [OPTIONS] <JOB>

        For more information, try '--help'.
    "#]],
    );
    check(
        &["run", "fleet", "--sink", "cells=stdout:", "--sink", "cells=blackhole:"],
        64,
        &expect![[r#"
            error: --sink: sink `cells` is given twice
              hint: keep one of them
        "#]],
    );
}

#[test]
fn numbers_are_numbers() {
    for number in ["abc", "1.5", "1e3", "", "0", "-1", "65536", "99999999999999999999", "1 2"] {
        let ran = Shell::new().run(&["run", "fleet", "--workers", number]);
        assert_eq!(ran.code, Some(64), "{number}: {}", ran.err);
        assert!(ran.err.contains("from 1 to 1024"), "{number}: {}", ran.err);
    }
}

#[test]
fn odd_names_of_jobs_are_only_unknown() {
    let long = "a".repeat(300);
    for name in ["a/b", "..", "", "a b", "a\nb", "🚢", "\u{1b}[31m", long.as_str()] {
        for command in ["run", "graph", "validate"] {
            let ran = Shell::new().run(&[command, name]);
            assert_eq!(ran.code, Some(64), "{name:?}: {}", ran.err);
            assert!(ran.err.starts_with("error: there is no job"), "{name:?}: {}", ran.err);
            assert!(!ran.err.contains('\u{1b}') && ran.err.lines().count() <= 2, "{}", ran.err);
        }
    }
    check(
        &["run", "-fleet"],
        64,
        &expect![[r#"
        error: unexpected argument '-f' found

          tip: to pass '-f' as a value, use '-- -f'

        Usage: waystream run [OPTIONS] <JOB>

        For more information, try '--help'.
    "#]],
    );
}

#[test]
fn what_is_not_utf_8_is_refused() {
    let shell = Shell::new();
    let mut command = shell.command(&["run"]);
    let ran = Ran::of(command.arg(std::ffi::OsStr::from_bytes(b"fl\xffet")));
    assert_eq!(ran.code, Some(64), "{}", ran.err);
    assert!(ran.err.contains("invalid UTF-8"), "{}", ran.err);
}

#[test]
fn errors_are_json_where_json_is_asked_for() {
    let shell = Shell::new().with("broken.toml", "[run\n");
    for (arguments, code) in [
        (&["run", "flet", "--output", "json"][..], 64),
        (&["run", "--output=jsonl", "fleet", "--wrong"], 64),
        (&["--output", "json"], 64),
        (&["run", "fleet", "--output", "json", "--config", "broken.toml"], 78),
        (&["graph", "fleet", "--output", "json", "--set", "x=1"], 64),
        (&["run", "fleet", "--output", "json", "--no-serve", "--checkpoints", "broken.toml/x"], 74),
    ] {
        let ran = shell.run(arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.err);
        let told: serde_json::Value = serde_json::from_str(&ran.out).expect(&ran.out);
        assert_eq!(told["error"]["exit_code"], code, "{}", ran.out);
        assert!(!told["error"]["what"].as_str().unwrap().is_empty(), "{}", ran.out);
    }
}

#[test]
fn answers_are_json_where_json_is_asked_for() {
    for arguments in [
        &["list", "--output", "json"][..],
        &["graph", "fleet", "--output", "json"],
        &["validate", "fleet", "--set", "window=5s", "--output", "json"],
    ] {
        let ran = Shell::new().run(arguments);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{arguments:?}");
        serde_json::from_str::<serde_json::Value>(&ran.out).expect(&ran.out);
    }
}

#[test]
fn a_closed_reader_ends_nothing_with_a_panic() {
    let shell = Shell::new();
    for arguments in [&["list"][..], &["help"], &["graph", "fleet"], &["--output", "json"]] {
        let ran = shell.run_with_closed_output(arguments);
        assert!(ran.code == Some(0) || ran.code == Some(64), "{arguments:?}: {}", ran.err);
        assert!(!ran.err.contains("a bug"), "{}", ran.err);
    }
    let rows = ["run", "fleet", "--no-serve", "--source", &shell.ships(), "--sink", "live=stdout:"];
    let ran = shell.run_with_closed_output(&rows);
    assert_eq!(ran.code, Some(69), "{}", ran.err);
    assert!(ran.err.contains("standard output was closed"), "{}", ran.err);
}

#[test]
fn surroundings_do_not_matter() {
    let shell = Shell::new();
    let mut bare = shell.command(&["validate", "fleet"]);
    let ran = Ran::of(bare.env_clear());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb"), ("COLUMNS", "20"), ("HOME", "")] {
        let mut command = shell.command(&["run", "flet"]);
        let ran = Ran::of(command.env(name, value));
        assert!(ran.code == Some(64) && !ran.err.contains('\u{1b}'), "{name}: {}", ran.err);
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_said() {
    let shell = Shell::new();
    let mut run = shell.command(&["run", "fleet", "--no-serve"]);
    let ran = Ran::of(run.current_dir("/proc"));
    assert_eq!(ran.code, Some(74), "{}", ran.err);
    assert!(ran.err.contains("--checkpoints"), "{}", ran.err);
    let mut new = shell.command(&["new", "demo"]);
    let ran = Ran::of(new.current_dir("/proc"));
    assert_eq!(ran.code, Some(69), "{}", ran.err);
    assert!(ran.err.contains("a folder you may write to"), "{}", ran.err);
}

#[test]
fn nobody_else_can_look_unless_that_is_wanted() {
    let shell = Shell::new();
    let ran = shell.run(&["run", "fleet", "--source", &shell.ships(), "--listen", "0.0.0.0:0"]);
    assert_eq!(ran.code, Some(78), "{}", ran.err);
    assert!(ran.err.contains("--listen-remote"), "{}", ran.err);
}

#[test]
fn a_new_crate_is_made_once() {
    let shell = Shell::new();
    let ran = shell.run(&["new", "demo"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let manifest = shell.read("demo/Cargo.toml");
    assert!(manifest.contains("name = \"demo\"") && !manifest.contains("NAME"), "{manifest}");
    assert!(shell.read("demo/src/main.rs").contains("Job::new(\"demo\""));
    assert!(shell.read("demo/Cargo.lock").contains("name = \"waystream\""));
    let ran = shell.run(&["new", "demo"]);
    assert_eq!(ran.code, Some(64), "{}", ran.err);
    assert!(ran.err.contains("`demo` is here already"), "{}", ran.err);
    let ran = shell.run(&["new", "../demo"]);
    assert_eq!(ran.code, Some(64), "{}", ran.err);
    let ran = shell.run(&["new", "other", "--checkout", "demo"]);
    assert_eq!(ran.code, Some(78), "{}", ran.err);
}

#[test]
fn a_file_in_the_folder_is_read() {
    let text = "[run]\noutput = 'json'\nserve = false\n[sinks.trips]\nurl = 'jsonl:trips.jsonl'\n";
    let shell = Shell::new().with("waystream.toml", text);
    let ran = shell.run(&["run", "fleet", "--source", &shell.ships()]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let summary: serde_json::Value = serde_json::from_str(&ran.out).expect(&ran.out);
    assert_eq!(summary["read"], 8689);
    assert_eq!(shell.read("trips.jsonl").lines().count() as u64, summary["rows"]["trips"]);
    let ran = Shell::new().with("waystream.toml", "[rum]\n").run(&["validate", "fleet"]);
    assert_eq!(ran.code, Some(78));
    expect![[r#"
        error: waystream.toml:1:2: there is no section `rum`
          hint: did you mean `run`?
    "#]]
    .assert_eq(&ran.err);
}

#[test]
fn a_start_that_failed_does_not_bind_the_next() {
    let row = "{\"entity_id\":\"a\",\"ts\":1,\"lat\":1,\"lon\":1}\n";
    let shell = Shell::new().with("right.jsonl", row);
    let run = |source: &str, sink: &str| {
        shell.run(&["run", "fleet", "--no-serve", "--source", source, "--sink", sink])
    };
    let right = "positions=jsonl:right.jsonl";
    for (source, sink) in
        [("positions=jsonl:wrong.jsonl", "live=blackhole:"), (right, "live=jsonl:/dev/null/x")]
    {
        let ran = run(source, sink);
        assert!(matches!(ran.code, Some(69 | 78)), "{:?}: {}", ran.code, ran.err);
    }
    let ran = run(right, "live=blackhole:");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("1 records read"), "{}", ran.out);
}

#[test]
fn who_has_records_rejected_learns_where_the_reasons_are() {
    let rows = "{\"entity_id\":\"a\",\"ts\":1,\"lat\":1,\"lon\":1}\nnone\n";
    let shell = Shell::new().with("rows.jsonl", rows);
    let run = |more: &[&str]| {
        let always = ["run", "fleet", "--no-serve", "--source", "positions=jsonl:rows.jsonl"];
        shell.run(&[&always, more].concat())
    };
    let ran = run(&[]);
    assert!(ran.out.contains("rejected: malformed 1"), "{}", ran.out);
    assert!(ran.err.contains("--sink dead-letters=jsonl:FILE"), "{}", ran.err);
    let ran = run(&["--fresh", "--sink", "dead-letters=jsonl:dead.jsonl"]);
    assert!(!ran.err.contains("hint"), "{}", ran.err);
    assert!(shell.read("dead.jsonl").contains("rows.jsonl:2"));
}
