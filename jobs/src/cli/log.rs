//! What the process logs: on standard error, as text or as JSON lines.

use super::config::{Form, Level};
use super::report::{is_screen, say};
use std::io::{self, Write};
use tracing_subscriber::filter::LevelFilter;

/// Begins to log. Called again it changes nothing.
pub(super) fn start(level: Level, form: Form) {
    let level = match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(is_screen() && !no_color)
        .with_target(false)
        .with_writer(|| Said);
    let _ = match form {
        Form::Text => lines.try_init(),
        Form::Json | Form::Jsonl => lines.json().try_init(),
    };
}

/// Standard error that may be closed.
struct Said;

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        say(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
