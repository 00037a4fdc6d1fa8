//! The options of a run: their names, what may be written for each, and what holds if nothing is.

use super::layers::{Layers, Origin, shown};
use std::path::{Path, PathBuf};
use std::time::Duration;
use waystream_engine::did_you_mean;
use waystream_engine::error::Result;
use waystream_operators::Setting;

/// What a file may hold for an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Text,
    Switch,
}

/// Every option that can be written in a file or the environment.
pub(super) const OPTIONS: [(&str, Kind); 13] = [
    ("workers", Kind::Number),
    ("processes", Kind::Number),
    ("peer-timeout", Kind::Text),
    ("restart-limit", Kind::Number),
    ("checkpoints", Kind::Text),
    ("checkpoint-every", Kind::Text),
    ("listen", Kind::Text),
    ("listen-remote", Kind::Switch),
    ("serve", Kind::Switch),
    ("fail-on-reject", Kind::Switch),
    ("output", Kind::Text),
    ("progress", Kind::Switch),
    ("log", Kind::Text),
];

/// Form of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Form {
    /// For people.
    Text,
    /// One JSON value on standard output.
    Json,
    /// One JSON value per line on standard output: progress, and the summary last.
    Jsonl,
}

impl Form {
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, String> {
        one_of(text, &[("text", Self::Text), ("json", Self::Json), ("jsonl", Self::Jsonl)])
    }
}

/// The least weight of what is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Level {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    fn parse(text: &str) -> Result<Self, String> {
        let levels = [
            ("off", Self::Off),
            ("error", Self::Error),
            ("warn", Self::Warn),
            ("info", Self::Info),
            ("debug", Self::Debug),
            ("trace", Self::Trace),
        ];
        one_of(text, &levels)
    }
}

/// How a job is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Options {
    pub(in crate::cli) workers: u16,
    pub(in crate::cli) processes: u16,
    /// A process without a sign of life for this long is lost.
    pub(in crate::cli) peer_timeout: Duration,
    /// Starts of all processes in a row that may bring the job no further.
    pub(in crate::cli) restart_limit: u32,
    pub(in crate::cli) checkpoints: PathBuf,
    pub(in crate::cli) checkpoint_every: Duration,
    pub(in crate::cli) listen: String,
    pub(in crate::cli) listen_remote: bool,
    pub(in crate::cli) serve: bool,
    pub(in crate::cli) fail_on_reject: bool,
    pub(in crate::cli) output: Form,
    pub(in crate::cli) progress: bool,
    pub(in crate::cli) log: Level,
}

impl Options {
    /// What the layers say, and otherwise the defaults.
    pub(super) fn of(layers: &Layers, job: &str) -> Result<Self> {
        Ok(Self {
            workers: read(layers, "workers", 1, workers)?,
            processes: read(layers, "processes", 1, processes)?,
            peer_timeout: read(layers, "peer-timeout", Duration::from_secs(10), peer_timeout)?,
            restart_limit: read(layers, "restart-limit", 20, restart_limit)?,
            checkpoints: read(layers, "checkpoints", Path::new(".waystream").join(job), folder)?,
            checkpoint_every: read(
                layers,
                "checkpoint-every",
                Duration::from_secs(1),
                checkpoint_interval,
            )?,
            listen: read(layers, "listen", "127.0.0.1:7700".to_owned(), address)?,
            listen_remote: read(layers, "listen-remote", false, bool::parse)?,
            serve: read(layers, "serve", true, bool::parse)?,
            fail_on_reject: read(layers, "fail-on-reject", false, bool::parse)?,
            output: read(layers, "output", Form::Text, Form::parse)?,
            progress: read(layers, "progress", true, bool::parse)?,
            log: read(layers, "log", Level::Warn, Level::parse)?,
        })
    }
}

fn read<T>(
    layers: &Layers,
    name: &str,
    default: T,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T> {
    let Some(given) = layers.option(name) else { return Ok(default) };
    parse(&given.text).map_err(|why| {
        let name = if matches!(given.origin, Origin::Flag(_)) { "" } else { name };
        let what = format!("{name} `{}`: {why}", shown(&given.text));
        given.origin.wrong(what.trim_start())
    })
}

fn workers(text: &str) -> Result<u16, String> {
    let workers = text.parse().ok().filter(|workers| (1..=1024).contains(workers));
    workers.ok_or_else(|| "write a whole number from 1 to 1024".to_owned())
}

fn processes(text: &str) -> Result<u16, String> {
    let processes = text.parse().ok().filter(|processes| (1..=256).contains(processes));
    processes.ok_or_else(|| "write a whole number from 1 to 256".to_owned())
}

fn peer_timeout(text: &str) -> Result<Duration, String> {
    let timeout = Duration::parse(text)?;
    if timeout < Duration::from_secs(1) || timeout > Duration::from_secs(3600) {
        return Err("write a time from 1s to 1h".to_owned());
    }
    Ok(timeout)
}

fn restart_limit(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "write a whole number".to_owned())
}

fn checkpoint_interval(text: &str) -> Result<Duration, String> {
    let interval = Duration::parse(text)?;
    if interval.is_zero() || interval > Duration::from_secs(3600) {
        return Err("write a time from 1ms to 1h".to_owned());
    }
    Ok(interval)
}

fn folder(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("write a folder".to_owned());
    }
    literal(text, text)?;
    Ok(PathBuf::from(text))
}

fn address(text: &str) -> Result<String, String> {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
    match port.map(str::parse::<u16>) {
        Some(Ok(_)) => Ok(text.to_owned()),
        _ => Err("write HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:7700".to_owned()),
    }
}

/// Refuses what only a shell replaces: here it would become part of a file's name.
pub(super) fn literal(text: &str, path: &str) -> Result<(), String> {
    if path == "~" || path.starts_with("~/") {
        return Err("`~` is not replaced here: write the whole path".to_owned());
    }
    if text.contains("${") {
        return Err("`${…}` is not replaced here: set WAYSTREAM__SECTION__KEY instead".to_owned());
    }
    Ok(())
}

fn one_of<T: Copy>(text: &str, known: &[(&str, T)]) -> Result<T, String> {
    let found = known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    let names = known.iter().map(|(name, _)| *name);
    found.ok_or_else(|| did_you_mean(text, names))
}
