//! `waystream run`: the job in this process, stopped by its input's end or by a signal.

use super::arguments::Run;
use super::config::{Form, Options, Resolved};
use super::report::{answer, is_screen, say};
use super::{summary, volatile};
use crate::console;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use waystream_connectors::sink::stdout_is_taken;
use waystream_connectors::websocket::{Hub, Server, ServerConfig};
use waystream_engine::checkpoint::{Catalog, Fallback, Folder, LocalDisk};
use waystream_engine::clock::{Clock, SystemClock};
use waystream_engine::error::{ErrorKind, JobError, Result, way_out};
use waystream_engine::job::{JobConfig, StopSignal, run as run_job};
use waystream_engine::metrics::Metrics;
use waystream_engine::spec::History;
use waystream_operators::Flow;

/// Runs the job. `form` is how a failure is to be told; it changes once the summary has told it.
pub(super) fn run(resolved: Resolved, arguments: &Run, form: &mut Form) -> Result<()> {
    let Resolved { job, options, mut deployment, .. } = resolved;
    let stop = stop_on_signals()?;
    let folder = absolute(&options.checkpoints)?;
    let checkpoints = Folder::open(Arc::new(LocalDisk), &folder)?;
    volatile::warn_about(&folder);
    let goes_on = !arguments.fresh && Catalog::new(checkpoints.clone()).has_progress()?;
    let resumes = goes_on || arguments.from.is_some();
    deployment.history = History { job: job.name.to_owned(), checkpoints: folder, resumes };
    let keeps_rejected = deployment.sinks.contains_key("dead-letters");
    let mut config = JobConfig::new(job.name, checkpoints);
    config.workers = usize::from(options.workers);
    config.checkpoint_every = options.checkpoint_every;
    config.fresh = arguments.fresh;
    config.fallback = if arguments.fallback { Fallback::Older } else { Fallback::Refuse };
    if let Some(savepoint) = &arguments.from {
        config.from = Some(Folder::at(Arc::new(LocalDisk), absolute(savepoint)?));
    }
    config.tell = Arc::new(|text| say(&format!("{text}\n")));
    config.stop = stop;
    let (metrics, clock) = (config.metrics.clone(), SystemClock);
    let started = clock.now();
    let server = if options.serve {
        let hub = Hub::new(started.0 as u64);
        deployment.views = Some(Arc::new(hub.clone()));
        Some(serve(hub, &options, metrics.clone())?)
    } else {
        None
    };
    let shown = if options.progress { Some(options.output) } else { None };
    let progress = summary::Progress::start(metrics.clone(), shown);
    let outcome = run_job(config, Flow::builder(deployment, job.build));
    drop(progress);
    drop(server);
    let outcome = outcome?;
    let elapsed_ms = clock.now().since_ms(started);
    let refused = options.fail_on_reject.then(|| rejected(&metrics)).flatten();
    let summary = summary::of(&outcome, &metrics, elapsed_ms, refused.as_ref());
    match options.output {
        Form::Json | Form::Jsonl => answer(&format!("{summary}\n")),
        Form::Text if stdout_is_taken() => say(&summary::text(&summary)),
        Form::Text => answer(&summary::text(&summary)),
    }
    if !keeps_rejected
        && !options.fail_on_reject
        && let Some(hint) = rejected(&metrics).and_then(|error| error.hint)
    {
        say(&format!("  hint: why records were rejected stands in their dead letters: {hint}\n"));
    }
    // The summary holds the error already: it is not told to a program twice.
    *form = Form::Text;
    refused.map_or(Ok(()), Err)
}

/// The error of a run in which records were rejected.
fn rejected(metrics: &Metrics) -> Option<JobError> {
    let sources = metrics.sources();
    let rejected: u64 = sources.values().flat_map(|source| source.rejected().into_values()).sum();
    (rejected > 0).then(|| {
        JobError::new(ErrorKind::Data, format!("{rejected} records were rejected")).hint(
            "write them out with --sink dead-letters=jsonl:FILE, or give the job dead_letters()",
        )
    })
}

/// Serves the live map and says where.
fn serve(hub: Hub, options: &Options, metrics: Metrics) -> Result<Server> {
    let mut config = ServerConfig::new(options.listen.clone());
    config.allow_remote = options.listen_remote;
    config.assets = console::ASSETS.to_vec();
    config.stats = Arc::new(move || {
        let sources = metrics.sources();
        let events: u64 = sources.values().map(|source| source.accepted.load(Relaxed)).sum();
        serde_json::json!({ "events": events })
    });
    let server = Server::start(hub, config)?;
    say(&format!("live map at http://{}\n", server.address()));
    Ok(server)
}

pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| {
        JobError::configuration(format!("`{}` is no folder", path.display()))
            .hint("write the whole path of a folder, beginning with `/`")
            .caused_by(error)
    })
}

/// The first signal asks for a final checkpoint; the second ends the process at once.
fn stop_on_signals() -> Result<StopSignal> {
    let stop = StopSignal::default();
    let asked = stop.clone();
    let cannot = |error| {
        JobError::failed("cannot listen for signals").hint(way_out(&error)).caused_by(error)
    };
    // A file that may not grow is then an error with a name, and not the end without a word.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map_err(cannot)?;
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(cannot)?;
    let listen = move || {
        for signal in signals.forever() {
            if asked.is_requested() {
                std::process::exit(128 + signal);
            }
            let fresh_line = if is_screen() { "\n" } else { "" };
            say(&format!(
                "{fresh_line}stopping after a final checkpoint; once more stops at once\n"
            ));
            asked.request();
        }
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(listen).map_err(cannot)?;
    Ok(stop)
}
