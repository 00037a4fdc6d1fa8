//! `waystream run`: a job, or a process' part of one, stopped by its input's end or by a signal.

use super::arguments::Run;
use super::config::{Form, Options, Resolved, shown};
use super::report::{answer, is_screen, say};
use super::{group, summary, volatile};
use crate::console;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use waystream_connectors::sink::stdout_is_taken;
use waystream_connectors::websocket::{Hub, Server, ServerConfig};
use waystream_engine::checkpoint::{Catalog, Fallback, Folder, LocalDisk};
use waystream_engine::clock::{Clock, SystemClock};
use waystream_engine::cluster::Cluster;
use waystream_engine::error::{ErrorKind, JobError, Result, way_out};
use waystream_engine::job::{JobConfig, Outcome, StopSignal, run as run_job};
use waystream_engine::key::KEY_GROUPS;
use waystream_engine::metrics::Metrics;
use waystream_engine::spec::{History, Views};
use waystream_operators::Flow;

/// What a process takes part in a job with.
pub(super) struct Part {
    pub(super) stop: StopSignal,
    pub(super) metrics: Metrics,
    /// Whether an earlier start has taken the job over: what `--fresh` gives up is gone.
    pub(super) has_begun: bool,
    /// The other processes, if there are any.
    pub(super) cluster: Option<Cluster>,
}

/// Runs the job. `form` is how a failure is to be told; it changes once the summary has told it.
pub(super) fn run(resolved: Resolved, arguments: &Run, form: &mut Form) -> Result<()> {
    let processes = usize::from(resolved.options.processes);
    check_shape(processes, &resolved.options)?;
    if arguments.member {
        return group::join(resolved, arguments, form);
    }
    if processes > 1 {
        return group::supervise(&resolved.options, form);
    }
    let (stop, metrics) = (stop_on_signals()?, Metrics::default());
    run_here(resolved, arguments, form, Part { stop, metrics, has_begun: false, cluster: None })
}

/// Runs this process' part of the job.
pub(super) fn run_here(
    resolved: Resolved,
    arguments: &Run,
    form: &mut Form,
    part: Part,
) -> Result<()> {
    let Resolved { job, options, mut deployment, .. } = resolved;
    let Part { stop, metrics, has_begun, cluster } = part;
    let leads = cluster.as_ref().is_none_or(Cluster::leads);
    let folder = absolute(&options.checkpoints)?;
    let checkpoints = Folder::open(Arc::new(LocalDisk), &folder)?;
    if leads {
        volatile::warn_about(&folder);
    }
    let is_fresh = arguments.fresh && !has_begun;
    let goes_on = !is_fresh && Catalog::new(checkpoints.clone()).has_progress()?;
    let resumes = goes_on || arguments.from.is_some();
    deployment.history = History { job: job.name.to_owned(), checkpoints: folder, resumes };
    let keeps_rejected = deployment.sinks.contains_key("dead-letters");
    let mut config = JobConfig::new(job.name, checkpoints);
    config.workers = usize::from(options.workers);
    config.checkpoint_every = options.checkpoint_every;
    config.fresh = is_fresh;
    config.fallback = if arguments.fallback { Fallback::Older } else { Fallback::Refuse };
    if let Some(savepoint) = &arguments.from {
        config.from = Some(Folder::at(Arc::new(LocalDisk), absolute(savepoint)?));
    }
    config.tell = Arc::new(|text| say(&format!("{text}\n")));
    (config.stop, config.metrics) = (stop, metrics.clone());
    let clock = SystemClock;
    let (started, started_ms) = (clock.now(), clock.ticks_ms());
    let hub = (options.serve && leads).then(|| Hub::new(started.0 as u64));
    deployment.views = hub.clone().map(|hub| Arc::new(hub) as Arc<dyn Views>);
    if let Some(cluster) = cluster {
        let cluster = cluster.showing(deployment.views.clone());
        if options.serve && !leads {
            deployment.views = Some(Arc::new(cluster.relay()));
        }
        config.cluster = Some(Arc::new(cluster));
    }
    let server = hub.map(|hub| serve(hub, &options, metrics.clone())).transpose()?;
    let shown = (options.progress && leads).then_some(options.output);
    let progress = summary::Progress::start(metrics.clone(), shown);
    let outcome = run_job(config, Flow::builder(deployment, job.build));
    drop(progress);
    drop(server);
    let outcome = outcome?;
    if !leads {
        return Ok(());
    }
    let elapsed_ms = clock.ticks_ms() - started_ms;
    summarize(&options, &outcome, &metrics, elapsed_ms, keeps_rejected, form)
}

/// Says how the run went, on process 0 for all of them.
fn summarize(
    options: &Options,
    outcome: &Outcome,
    metrics: &Metrics,
    elapsed_ms: i64,
    keeps_rejected: bool,
    form: &mut Form,
) -> Result<()> {
    let refused = options.fail_on_reject.then(|| rejected(metrics)).flatten();
    let summary = summary::of(outcome, metrics, elapsed_ms, refused.as_ref());
    match options.output {
        Form::Json | Form::Jsonl => answer(&format!("{summary}\n")),
        Form::Text if stdout_is_taken() => say(&summary::text(&summary)),
        Form::Text => answer(&summary::text(&summary)),
    }
    if !keeps_rejected
        && !options.fail_on_reject
        && let Some(hint) = rejected(metrics).and_then(|error| error.hint)
    {
        say(&format!("  hint: why records were rejected stands in their dead letters: {hint}\n"));
    }
    // The summary holds the error already: it is not told to a program twice.
    *form = Form::Text;
    refused.map_or(Ok(()), Err)
}

/// Refuses more workers than there are key groups.
pub(super) fn check_shape(processes: usize, options: &Options) -> Result<()> {
    let workers = processes * usize::from(options.workers);
    if workers <= usize::from(KEY_GROUPS) {
        return Ok(());
    }
    let what = format!("{processes} processes of {} workers are too many", options.workers);
    Err(JobError::configuration(what).hint(format!("{KEY_GROUPS} workers in all can have keys")))
}

/// What has to be the same in all processes of a job, beside what it is made of.
pub(super) fn fingerprint(resolved: &Resolved) -> String {
    let (deployment, options) = (&resolved.deployment, &resolved.options);
    let places = (&deployment.sources, &deployment.sinks, &deployment.settings);
    format!("{places:?} {:?} {}", options.checkpoint_every, options.serve)
}

/// Listens for other processes; says where.
pub(super) fn listen(address: &str) -> Result<(TcpListener, String)> {
    let listening = TcpListener::bind(address)
        .and_then(|listener| Ok((listener.local_addr()?.to_string(), listener)));
    let (own, listener) = listening.map_err(|error| {
        JobError::unavailable(format!("cannot listen for other processes at {}", shown(address)))
            .hint("name an address of this host with a port that is free")
            .caused_by(error)
    })?;
    Ok((listener, own))
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

/// The first signal asks for a final checkpoint, which is said; the second ends the process at once.
pub(super) fn stop_on_signals() -> Result<StopSignal> {
    on_signals(|| {
        let fresh_line = if is_screen() { "\n" } else { "" };
        say(&format!("{fresh_line}stopping after a final checkpoint; once more stops at once\n"));
    })
}

/// The first signal asks for a final checkpoint, after `stopping`; the second ends the process at
/// once.
pub(super) fn on_signals(stopping: impl Fn() + Send + 'static) -> Result<StopSignal> {
    let stop = StopSignal::default();
    let asked = stop.clone();
    let cannot = |error| {
        JobError::failed("cannot listen for signals").hint(way_out(&error)).caused_by(error)
    };
    // A file that may not grow is then an error with a name, and not the end without a word.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map_err(cannot)?;
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(cannot)?;
    let listen = move || {
        let mut was_asked = false;
        for signal in signals.forever() {
            if was_asked {
                std::process::exit(128 + signal);
            }
            was_asked = true;
            stopping();
            asked.request();
        }
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(listen).map_err(cannot)?;
    Ok(stop)
}
