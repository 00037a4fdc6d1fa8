//! What can be written on the command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// What stands below the help of every command that takes a job.
const LAYERS: &str = "\
What is not given here is taken from WAYSTREAM__SECTION__KEY in the environment, then from --config \
FILE, ./waystream.toml and $XDG_CONFIG_HOME/waystream/config.toml: [run] workers = 2, \
[sources.NAME] url = \"…\", [sinks.NAME] url = \"…\", [settings] KEY = VALUE.";

/// What stands below the help of `worker`.
const WORKERS: &str = "\
All processes run the same build of the same job with the same options, and see the same folder of \
checkpoints: --checkpoints is one that all hosts share. Links are authenticated by the secret and \
not encrypted. When a process is gone all others end with code 69: have each started again by what \
starts services on its host, and the job goes on from its last checkpoint.";

const EXAMPLES: &str = "\
Begin with:
  waystream list                     the jobs there are
  waystream graph fleet              what a job is made of, and what can be set
  waystream run fleet                a bundled hour of real ships, live in the browser
  waystream new my-job               a crate of your own with a job and its test

Exit codes: 0 done, or stopped on request; 64 wrong command line; 65 records rejected under
--fail-on-reject; 69 something needed is unreachable or another process is lost; 70 a failed operator or a bug;
74 checkpoints cannot be read or written; 78 wrong configuration, or state that does not fit.";

/// Stream processing for things that move, exactly once.
#[derive(Debug, Parser)]
#[command(name = "waystream", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a job here until its input ends or it is stopped
    Run(Run),
    /// Run one process of a job that has others on other hosts
    Worker(Worker),
    /// Copy the newest checkpoint of a stopped job into a folder of its own
    Savepoint(Savepoint),
    /// Pay what a stopped job owes its sinks, without running it
    Settle(Settle),
    /// Name the jobs this binary has
    List(List),
    /// Show what a job is made of: sources, stages, edges, sinks, views, settings
    Graph(Graph),
    /// Check a job with its configuration, without opening its sources
    Validate(Validate),
    /// Write a new crate with a job of your own, which builds against this checkout
    New(New),
}

/// What to save and where.
#[derive(Debug, Args)]
#[command(after_help = LAYERS)]
pub(super) struct Savepoint {
    #[command(flatten)]
    pub(super) job: JobArguments,
    /// Folder of the checkpoints [default: .waystream/JOB]
    #[arg(long, value_name = "FOLDER")]
    checkpoints: Option<String>,
    /// Folder for the savepoint; must be new or empty
    #[arg(long, value_name = "FOLDER")]
    pub(super) to: PathBuf,
}

impl Savepoint {
    /// The options that are given: flag, option and value.
    pub(super) fn options(&self) -> Vec<(&'static str, &'static str, String)> {
        let given = self.checkpoints.clone();
        given.map(|folder| ("--checkpoints", "checkpoints", folder)).into_iter().collect()
    }
}

/// Which job is to pay.
#[derive(Debug, Args)]
#[command(after_help = LAYERS)]
pub(super) struct Settle {
    #[command(flatten)]
    pub(super) job: JobArguments,
    /// Folder of the checkpoints [default: .waystream/JOB]
    #[arg(long, value_name = "FOLDER")]
    checkpoints: Option<String>,
}

impl Settle {
    /// The options that are given: flag, option and value.
    pub(super) fn options(&self) -> Vec<(&'static str, &'static str, String)> {
        let given = self.checkpoints.clone();
        given.map(|folder| ("--checkpoints", "checkpoints", folder)).into_iter().collect()
    }
}

/// A job and what it is given.
#[derive(Debug, Args)]
pub(super) struct JobArguments {
    /// The job
    pub(super) job: String,
    /// Read a source from elsewhere: NAME=kafka://HOST:PORT/TOPIC, parquet:GLOB, jsonl:GLOB or
    /// csv:GLOB, these with ?speed=60x
    #[arg(long, value_name = "NAME=URL", value_parser = pair)]
    pub(super) source: Vec<(String, String)>,
    /// Write a sink: NAME=kafka://HOST:PORT/TOPIC, jsonl:FILE, parquet:FOLDER, stdout: or blackhole:
    #[arg(long, value_name = "NAME=URL", value_parser = pair)]
    pub(super) sink: Vec<(String, String)>,
    /// Set a setting of the job
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(super) set: Vec<(String, String)>,
    /// Take what is not given here from this file
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

/// How to run a job.
#[derive(Debug, Args)]
#[command(after_help = LAYERS)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) job: JobArguments,
    /// Worker threads [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    workers: Option<String>,
    /// Processes on this machine, each with its workers; all start again when one is gone [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    processes: Option<String>,
    /// A process without a sign of life for this long is lost [default: 10s]
    #[arg(long, value_name = "TIME", allow_negative_numbers = true)]
    peer_timeout: Option<String>,
    /// Starts of all processes in a row that may bring the job no further [default: 20]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    restart_limit: Option<String>,
    /// Folder of the checkpoints [default: .waystream/JOB]
    #[arg(long, value_name = "FOLDER")]
    checkpoints: Option<String>,
    /// Time between checkpoints [default: 1s]
    #[arg(long, value_name = "TIME", allow_negative_numbers = true)]
    checkpoint_every: Option<String>,
    /// Address of the live map [default: 127.0.0.1:7700]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Allow an address off this machine: whoever reaches it can read every view
    #[arg(long)]
    listen_remote: bool,
    /// Serve no live map
    #[arg(long)]
    no_serve: bool,
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
    fail_on_reject: bool,
    /// Form of the summary: text, json, or jsonl with progress as JSON lines [default: text]
    #[arg(long, value_name = "FORM")]
    output: Option<String>,
    /// Show no progress
    #[arg(long)]
    no_progress: bool,
    /// Log what weighs at least this much: off, error, warn, info, debug, trace [default: warn]
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
    /// For processes that a supervisor starts: its orders come on standard input
    #[arg(long, hide = true)]
    pub(super) member: bool,
}

impl Run {
    /// The options that are given: flag, option and value.
    pub(super) fn options(&self) -> Vec<(&'static str, &'static str, String)> {
        let texts = [
            ("--workers", "workers", &self.workers),
            ("--processes", "processes", &self.processes),
            ("--peer-timeout", "peer-timeout", &self.peer_timeout),
            ("--restart-limit", "restart-limit", &self.restart_limit),
            ("--checkpoints", "checkpoints", &self.checkpoints),
            ("--checkpoint-every", "checkpoint-every", &self.checkpoint_every),
            ("--listen", "listen", &self.listen),
            ("--output", "output", &self.output),
            ("--log", "log", &self.log),
        ];
        let switches = [
            ("--listen-remote", "listen-remote", self.listen_remote, true),
            ("--no-serve", "serve", self.no_serve, false),
            ("--fail-on-reject", "fail-on-reject", self.fail_on_reject, true),
            ("--no-progress", "progress", self.no_progress, false),
        ];
        let texts = texts
            .into_iter()
            .filter_map(|(flag, name, text)| text.clone().map(|text| (flag, name, text)));
        let switches = switches
            .into_iter()
            .filter(|(_, _, is_given, _)| *is_given)
            .map(|(flag, name, _, value)| (flag, name, value.to_string()));
        texts.chain(switches).collect()
    }
}

/// Which process of a job to run, and where the others are.
#[derive(Debug, Args)]
#[command(after_help = WORKERS)]
pub(super) struct Worker {
    #[command(flatten)]
    pub(super) run: Run,
    /// Which of the hosts this process is, counted from 0; process 0 writes checkpoints and sinks
    #[arg(long, value_name = "INDEX")]
    pub(super) process: usize,
    /// Where all processes can be reached, the same for each: HOST:PORT,HOST:PORT,…
    #[arg(long, value_name = "HOSTS", value_delimiter = ',', required = true)]
    pub(super) hosts: Vec<String>,
    /// File with a secret of at least 32 bytes, the same for each
    #[arg(long, value_name = "FILE")]
    pub(super) secret_file: PathBuf,
}

/// How to list the jobs.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Form of the list
    #[arg(long, value_enum, value_name = "FORM", default_value_t = AnswerForm::Text)]
    pub(super) output: AnswerForm,
}

/// Which job to show.
#[derive(Debug, Args)]
#[command(after_help = LAYERS)]
pub(super) struct Graph {
    #[command(flatten)]
    pub(super) job: JobArguments,
    /// Form of the graph
    #[arg(long, value_enum, value_name = "FORM", default_value_t = GraphForm::Text)]
    pub(super) output: GraphForm,
}

/// Which job to check.
#[derive(Debug, Args)]
#[command(after_help = LAYERS)]
pub(super) struct Validate {
    #[command(flatten)]
    pub(super) job: JobArguments,
    /// Form of the answer
    #[arg(long, value_enum, value_name = "FORM", default_value_t = AnswerForm::Text)]
    pub(super) output: AnswerForm,
}

/// Which crate to write.
#[derive(Debug, Args)]
pub(super) struct New {
    /// Name of the crate, its folder and its job
    pub(super) name: String,
    /// Folder of the Waystream checkout to build against [default: where this binary was built]
    #[arg(long, value_name = "FOLDER")]
    pub(super) checkout: Option<PathBuf>,
}

/// Form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum AnswerForm {
    /// For people
    Text,
    /// One JSON value
    Json,
}

/// Form of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum GraphForm {
    /// For people
    Text,
    /// One JSON value
    Json,
    /// A Mermaid flowchart, for a page of documentation
    Mermaid,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}
