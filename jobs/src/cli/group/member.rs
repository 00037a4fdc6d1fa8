//! The side of a process that a supervisor has started.

use super::channel::{Failed, Order, Report, receive, send};
use crate::cli::arguments::Run;
use crate::cli::config::{Form, Resolved};
use crate::cli::run::{Part, fingerprint, listen, on_signals, run_here};
use std::io::{self, BufReader};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use waystream_engine::cluster::{Cluster, Member, Secret};
use waystream_engine::error::{ErrorKind, JobError, Result};
use waystream_engine::job::StopSignal;
use waystream_engine::metrics::Metrics;

/// How long a process waits for the others, which are started together.
const GATHER_FOR: Duration = Duration::from_secs(30);
/// How often it is looked whether another epoch counts.
const LOOK_EVERY: Duration = Duration::from_millis(100);

type Lines = BufReader<UnixStream>;

/// Does what the supervisor says, and ends the process with the code of how that went: what went
/// wrong is told by the supervisor.
pub(in crate::cli) fn join(resolved: Resolved, arguments: &Run, form: &mut Form) -> Result<()> {
    end_with_supervisor();
    let cannot = |error: io::Error| {
        JobError::new(ErrorKind::Usage, "--member is for processes that a supervisor starts")
            .hint("say how many processes there are to be with --processes")
            .caused_by(error)
    };
    let line = io::stdin().as_fd().try_clone_to_owned().map_err(cannot)?;
    let line = Arc::new(UnixStream::from(line));
    let mut lines = BufReader::new(line.try_clone().map_err(cannot)?);
    let Some(Order::Join { index, secret, run, has_begun }) =
        receive(&mut lines).map_err(cannot)?
    else {
        return Err(cannot(io::ErrorKind::InvalidData.into()));
    };
    let done = introduce(&line, &mut lines).and_then(|(listener, hosts)| {
        let member = Member {
            index,
            hosts,
            secret: Secret::of(secret.as_bytes())?,
            build: env!("CARGO_PKG_VERSION").to_owned(),
            options: fingerprint(&resolved),
            run,
            peer_timeout: resolved.options.peer_timeout,
            gather_for: GATHER_FOR,
        };
        let cluster = Cluster::new(member, listener)?;
        let stop = obey(Arc::clone(&line), lines)?;
        let (begun, metrics) = (Arc::clone(&line), Metrics::default());
        let counting = metrics.clone();
        let cluster = cluster.when_begun(move || {
            let _ = send(&begun, &Report::Begun);
            report_epochs(Arc::clone(&begun), counting.clone());
        });
        run_here(
            resolved,
            arguments,
            form,
            Part { stop, metrics, has_begun, cluster: Some(cluster) },
        )
    });
    let Err(error) = done else { return Ok(()) };
    let is_told = *form == Form::Text;
    let _ = send(&line, &Report::Failed(Failed::of(&error, is_told)));
    std::process::exit(i32::from(error.kind.exit_code()));
}

/// Has the system end this process when its supervisor is gone, also while it is stopped. Elsewhere,
/// and if the supervisor is gone already, the closed line ends it.
fn end_with_supervisor() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
}

/// Tells where this process can be reached, and hears where the others can.
fn introduce(line: &UnixStream, lines: &mut Lines) -> Result<(TcpListener, Vec<String>)> {
    let (listener, address) = listen("127.0.0.1:0")?;
    let gone = |error: Option<io::Error>| {
        let error = error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
        JobError::unavailable("the supervisor is gone").caused_by(error)
    };
    send(line, &Report::Listening(address)).map_err(|error| gone(Some(error)))?;
    match receive(lines) {
        Ok(Some(Order::Hosts(hosts))) => Ok((listener, hosts)),
        Ok(_) => Err(gone(None)),
        Err(error) => Err(gone(Some(error))),
    }
}

/// Listens to the supervisor and to signals from here on.
fn obey(line: Arc<UnixStream>, mut lines: Lines) -> Result<StopSignal> {
    let stop = on_signals(move || drop(send(&line, &Report::Stopping)))?;
    let asked = stop.clone();
    let listen = move || {
        while let Ok(Some(order)) = receive::<Order>(&mut lines) {
            if order == Order::Stop {
                asked.request();
            }
        }
        // Nobody is left to watch this process or to tell how it ends; what is committed stays.
        std::process::exit(i32::from(ErrorKind::Lost.exit_code()));
    };
    let spawned = std::thread::Builder::new().name("orders".to_owned()).spawn(listen);
    spawned.map_err(|error| {
        JobError::unavailable("cannot start a thread")
            .hint("allow more threads (ulimit -u)")
            .caused_by(error)
    })?;
    Ok(stop)
}

/// Tells of every epoch that counts: the supervisor sees that the job gets on.
fn report_epochs(line: Arc<UnixStream>, metrics: Metrics) {
    let report = move || {
        let mut last = 0;
        loop {
            let epoch = metrics.checkpoints.epoch.load(Relaxed);
            if epoch > last && send(&line, &Report::Epoch(epoch)).is_err() {
                return;
            }
            last = epoch;
            std::thread::park_timeout(LOOK_EVERY);
        }
    };
    let _ = std::thread::Builder::new().name("epochs".to_owned()).spawn(report);
}
