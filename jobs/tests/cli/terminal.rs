//! What is drawn on a terminal, and on one that can draw nothing. Needs `script`, which lends one.

use crate::process::Shell;
use std::process::Command;

/// What a terminal of twenty columns is sent during a run of about a second.
fn drawn(kind: &str) -> Option<String> {
    let shell = Shell::new();
    let waystream = shell.command(&[]);
    let run = format!(
        "stty cols 20 rows 24; exec '{}' run fleet --no-serve --source '{}?speed=3600x'",
        waystream.get_program().display(),
        shell.ships(),
    );
    let mut script = Command::new("script");
    script.args(["-qec", &run, "/dev/null"]).env("TERM", kind).env("NO_COLOR", "1");
    script.env_remove("XDG_CONFIG_HOME").env_remove("HOME");
    let folder = waystream.get_current_dir().expect("a folder");
    match script.current_dir(folder).output() {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(_) => None,
    }
}

#[test]
fn a_line_changes_where_a_line_can_change() {
    let Some(drawn) = drawn("xterm") else {
        return eprintln!("skipped: `script` is missing");
    };
    let lines: Vec<&str> =
        drawn.split(['\r', '\n']).filter(|line| line.contains(" reco")).collect();
    let (summary, progress) = lines.split_last().expect("lines");
    let width = |line: &str| line.trim_start_matches("\u{1b}[2K").chars().count();
    assert!(progress.len() > 2 && progress.iter().all(|line| width(line) <= 20), "{drawn:?}");
    assert!(summary.contains("8689 records read, 8689 accepted"), "{drawn:?}");
}

#[test]
fn a_terminal_that_cannot_draw_gets_plain_lines() {
    let Some(drawn) = drawn("dumb") else {
        return eprintln!("skipped: `script` is missing");
    };
    assert!(!drawn.contains('\u{1b}'), "{drawn:?}");
    assert!(drawn.starts_with("8689 records read"), "{drawn:?}");
}
