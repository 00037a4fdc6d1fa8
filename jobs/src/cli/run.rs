//! `waystream run`: the job in this process, stopped by its input's end or by a signal.

use super::arguments::Run;
use super::{say, summary};
use crate::{Job, console};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use waystream_connectors::websocket::{Hub, Server, ServerConfig};
use waystream_engine::checkpoint::{Fallback, Folder, LocalDisk};
use waystream_engine::clock::{Clock, SystemClock};
use waystream_engine::error::{ErrorKind, JobError, Result};
use waystream_engine::job::{JobConfig, StopSignal, run as run_job};
use waystream_engine::metrics::Metrics;
use waystream_engine::spec::Deployment;
use waystream_operators::Flow;

pub(super) fn run(job: &Job, arguments: &Run) -> Result<()> {
    let mut deployment = Deployment {
        sources: unique("source", &arguments.source)?,
        sinks: unique("sink", &arguments.sink)?,
        settings: unique("set", &arguments.set)?,
        ..Deployment::default()
    };
    let folder = checkpoints_of(job, arguments.checkpoints.as_deref())?;
    let mut config = JobConfig::new(job.name, Folder::open(Arc::new(LocalDisk), folder)?);
    config.workers = usize::from(arguments.workers);
    config.checkpoint_every = arguments.checkpoint_every;
    config.fresh = arguments.fresh;
    config.fallback = if arguments.fallback { Fallback::Older } else { Fallback::Refuse };
    if let Some(savepoint) = &arguments.from {
        config.from = Some(Folder::at(Arc::new(LocalDisk), absolute(savepoint)?));
    }
    config.tell = Arc::new(|text| say(&format!("{text}\n")));
    config.stop = stop_on_signals()?;
    let (metrics, clock) = (config.metrics.clone(), SystemClock);
    let started = clock.now();
    let server = if arguments.no_serve {
        None
    } else {
        let hub = Hub::new(started.0 as u64);
        let zones = (job.zones)(&deployment.settings);
        deployment.views = Some(Arc::new(hub.clone()));
        Some(serve(hub, arguments, zones, metrics.clone())?)
    };
    let progress = summary::Progress::start(metrics.clone(), !arguments.no_progress);
    let build = job.build;
    let outcome = run_job(config, Flow::builder(deployment, build));
    drop(progress);
    drop(server);
    let outcome = outcome?;
    let elapsed_ms = clock.now().since_ms(started);
    summary::print(&outcome, &metrics, elapsed_ms, arguments.output);
    let rejected: u64 =
        metrics.sources().values().map(|source| source.rejected().values().sum::<u64>()).sum();
    if arguments.fail_on_reject && rejected > 0 {
        let what = format!("{rejected} records were rejected");
        return Err(JobError::new(ErrorKind::Data, what)
            .hint("write them out with --sink dead-letters=jsonl:FILE"));
    }
    Ok(())
}

/// Serves the live map and says where.
fn serve(hub: Hub, arguments: &Run, zones: Option<String>, metrics: Metrics) -> Result<Server> {
    let mut config = ServerConfig::new(arguments.listen.clone());
    config.allow_remote = arguments.listen_remote;
    config.assets = console::ASSETS.to_vec();
    config.zones = zones;
    config.stats = Arc::new(move || {
        let sources = metrics.sources();
        let events: u64 = sources.values().map(|source| source.accepted.load(Relaxed)).sum();
        serde_json::json!({ "events": events })
    });
    let server = Server::start(hub, config)?;
    say(&format!("live map at http://{}\n", server.address()));
    Ok(server)
}

/// Refuses a name that is given twice with different values.
fn unique<M: FromIterator<(String, String)>>(flag: &str, pairs: &[(String, String)]) -> Result<M> {
    for (i, (name, value)) in pairs.iter().enumerate() {
        if pairs[..i].iter().any(|(other, given)| other == name && given != value) {
            return Err(JobError::configuration(format!("--{flag} {name} is given twice")));
        }
    }
    Ok(pairs.iter().cloned().collect())
}

/// Where a job keeps its checkpoints.
pub(super) fn checkpoints_of(job: &Job, named: Option<&Path>) -> Result<PathBuf> {
    absolute(named.unwrap_or(&Path::new(".waystream").join(job.name)))
}

pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| {
        JobError::configuration(format!("`{}` is no folder", path.display())).caused_by(error)
    })
}

/// The first signal asks for a final checkpoint; the second ends the process at once.
fn stop_on_signals() -> Result<StopSignal> {
    let stop = StopSignal::default();
    let asked = stop.clone();
    let cannot = |error| JobError::failed("cannot listen for signals").caused_by(error);
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(cannot)?;
    let listen = move || {
        for signal in signals.forever() {
            if asked.is_requested() {
                std::process::exit(128 + signal);
            }
            say("stopping after a final checkpoint; once more stops at once\n");
            asked.request();
        }
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(listen).map_err(cannot)?;
    Ok(stop)
}
