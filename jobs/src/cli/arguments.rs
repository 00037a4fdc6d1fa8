//! What can be written on the command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;
use waystream_operators::Setting;

/// Stream processing for things that move, exactly once.
#[derive(Debug, Parser)]
#[command(name = "waystream", version, arg_required_else_help = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a job here until its input ends or it is stopped
    Run(Run),
    /// Copy the newest checkpoint of a stopped job into a folder of its own
    Savepoint(Savepoint),
    /// Name the jobs this binary has
    List,
}

/// What to save and where.
#[derive(Debug, Args)]
pub(super) struct Savepoint {
    /// The job
    pub(super) job: String,
    /// Folder of the checkpoints [default: .waystream/JOB]
    #[arg(long, value_name = "FOLDER")]
    pub(super) checkpoints: Option<PathBuf>,
    /// Folder for the savepoint; must be new or empty
    #[arg(long, value_name = "FOLDER")]
    pub(super) to: PathBuf,
}

/// How to run a job.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The job
    pub(super) job: String,
    /// Read a source from elsewhere: NAME=parquet:GLOB, jsonl:GLOB or csv:GLOB, with ?speed=60x
    #[arg(long, value_name = "NAME=URL", value_parser = pair)]
    pub(super) source: Vec<(String, String)>,
    /// Write a sink: NAME=jsonl:FILE, stdout: or blackhole:
    #[arg(long, value_name = "NAME=URL", value_parser = pair)]
    pub(super) sink: Vec<(String, String)>,
    /// Set a setting of the job
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(super) set: Vec<(String, String)>,
    /// Worker threads
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) workers: u16,
    /// Folder of the checkpoints [default: .waystream/JOB]
    #[arg(long, value_name = "FOLDER")]
    pub(super) checkpoints: Option<PathBuf>,
    /// Time between checkpoints
    #[arg(long, default_value = "1s", value_parser = interval)]
    pub(super) checkpoint_every: Duration,
    /// Address of the live map
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7700")]
    pub(super) listen: String,
    /// Allow an address off this machine: whoever reaches it can read every view
    #[arg(long)]
    pub(super) listen_remote: bool,
    /// Serve no live map
    #[arg(long)]
    pub(super) no_serve: bool,
    /// Start from an empty state
    #[arg(long)]
    pub(super) fresh: bool,
    /// Begin with a savepoint, in a folder without checkpoints of another history
    #[arg(long, value_name = "SAVEPOINT")]
    pub(super) from: Option<PathBuf>,
    /// If the newest checkpoint is damaged, use the newest sound one before it
    #[arg(long)]
    pub(super) fallback: bool,
    /// Fail with exit code 65 if a record was rejected
    #[arg(long)]
    pub(super) fail_on_reject: bool,
    /// Form of the summary
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub(super) output: Form,
    /// Show no progress
    #[arg(long)]
    pub(super) no_progress: bool,
}

/// Form of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    Text,
    Json,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = Duration::parse(text)?;
    if interval.is_zero() || interval > Duration::from_secs(3600) {
        return Err("between 1ms and 1h".to_owned());
    }
    Ok(interval)
}
