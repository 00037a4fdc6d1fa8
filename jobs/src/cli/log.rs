//! What goes to standard error while a job runs: warnings, or what `RUST_LOG` asks for.

use std::io::{IsTerminal, stderr};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Starts the log, once per process.
pub(super) fn start() {
    let asked = EnvFilter::builder().with_default_directive(LevelFilter::WARN.into());
    let log = tracing_subscriber::fmt().with_env_filter(asked.from_env_lossy());
    let log = log.with_writer(stderr).with_ansi(stderr().is_terminal()).with_target(false);
    // Whoever embeds the command line may have started one.
    let _ = log.try_init();
}
