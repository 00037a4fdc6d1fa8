//! What the process says, and the code it exits with.

use super::arguments::Arguments;
use super::config::Form;
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue};
use serde_json::json;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use waystream_engine::did_you_mean;
use waystream_engine::error::{ErrorKind, JobError};

/// Writes to standard error; a closed one is nobody's problem.
pub(super) fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Writes to standard output; whoever closed it has read enough.
pub(super) fn answer(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Whether standard error is a terminal that can redraw a line.
pub(super) fn is_screen() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    std::io::stderr().is_terminal() && !is_dumb
}

/// The form that the command line asks for, even if the rest of it is wrong.
pub(super) fn asked_for(arguments: impl Iterator<Item = OsString>) -> Form {
    let mut arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    while let Some(argument) = arguments.next() {
        let form = match argument.strip_prefix("--output") {
            Some("") => arguments.next(),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        if let Some(form) = form.and_then(|form| Form::parse(&form).ok()) {
            return form;
        }
    }
    Form::Text
}

/// Says what is wrong with the command line, or helps if that was asked for.
pub(super) fn usage(error: &clap::Error, form: Form) -> ExitCode {
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    if let Some(hint) = meant_command(error) {
        say(&format!("  hint: {hint}\n"));
    }
    let text = error.render().to_string();
    let what = text.lines().next().unwrap_or_default();
    tell(&JobError::new(ErrorKind::Usage, what.trim_start_matches("error: ")), form);
    ExitCode::from(ErrorKind::Usage.exit_code())
}

/// The command that was meant, where clap has no idea.
fn meant_command(error: &clap::Error) -> Option<String> {
    let is_helped = error.get(ContextKind::SuggestedSubcommand).is_some();
    match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(name)) if !is_helped => {
            let commands = Arguments::command();
            Some(did_you_mean(name, commands.get_subcommands().map(clap::Command::get_name)))
        }
        _ => None,
    }
}

/// Says why a command failed.
pub(super) fn failure(error: &JobError, form: Form) -> ExitCode {
    say(&format!("error: {}\n", harmless(&error.to_string())));
    if let Some(hint) = error.hint.as_ref().filter(|hint| !hint.is_empty()) {
        say(&format!("  hint: {}\n", harmless(hint)));
    }
    tell(error, form);
    ExitCode::from(error.kind.exit_code())
}

/// A text that may quote a file's contents, which must not steer the terminal: neither by control
/// characters nor by the marks that turn its direction.
fn harmless(text: &str) -> String {
    let turns = |letter| matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let show = |letter: char| match letter != '\n' && (letter.is_control() || turns(letter)) {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    };
    text.chars().map(show).collect()
}

/// Tells a program that reads standard output.
fn tell(error: &JobError, form: Form) {
    if form != Form::Text {
        answer(&format!("{}\n", json!({ "error": as_json(error) })));
    }
}

/// An error for a program.
pub(super) fn as_json(error: &JobError) -> serde_json::Value {
    json!({
        "exit_code": error.kind.exit_code(),
        "what": error.to_string(),
        "hint": error.hint.as_deref().filter(|hint| !hint.is_empty()),
    })
}
