//! `waystream worker`: one process of a job whose others are on other hosts, or started by hand.

use super::arguments::Worker;
use super::config::{Form, Resolved};
use super::report::say;
use super::run::{Part, check_shape, fingerprint, listen, run_here, stop_on_signals};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use waystream_engine::checkpoint::file_hash;
use waystream_engine::cluster::{Cluster, Member, Secret};
use waystream_engine::error::{ErrorKind, JobError, Result};
use waystream_engine::metrics::Metrics;

/// How long a process waits for the others, which may be started by hand.
const GATHER_FOR: Duration = Duration::from_secs(300);

/// Runs the process. `form` is how a failure is to be told.
pub(super) fn run(resolved: Resolved, worker: &Worker, form: &mut Form) -> Result<()> {
    let (index, hosts) = (worker.process, &worker.hosts);
    let Some(own) = hosts.get(index) else {
        let what = format!("there is no process {index} among {} hosts", hosts.len());
        return Err(JobError::new(ErrorKind::Usage, what)
            .at("--process")
            .hint("processes are counted from 0, in the order of --hosts"));
    };
    check_shape(hosts.len(), &resolved.options)?;
    let secret = Secret::read(&worker.secret_file)?;
    warn_of_readers(&worker.secret_file);
    let member = Member {
        index,
        hosts: hosts.clone(),
        secret,
        build: format!("{} {}", env!("CARGO_PKG_VERSION"), own_hash()?),
        options: fingerprint(&resolved),
        run: String::new(),
        peer_timeout: resolved.options.peer_timeout,
        gather_for: GATHER_FOR,
    };
    let stop = stop_on_signals()?;
    let (listener, _) = listen(own)?;
    let cluster = Some(Cluster::new(member, listener)?);
    let part = Part { stop, metrics: Metrics::default(), has_begun: false, cluster };
    run_here(resolved, &worker.run, form, part)
}

/// Tells builds apart: two of them may differ in what a job does and not in what it is made of.
fn own_hash() -> Result<String> {
    let path = std::env::current_exe();
    let bytes =
        path.and_then(|path| std::fs::read(path).or_else(|_| std::fs::read("/proc/self/exe")));
    bytes.map(|bytes| file_hash(&bytes)).map_err(|error| {
        JobError::unavailable("cannot read the program's own file")
            .hint("let the user that runs the job read it")
            .caused_by(error)
    })
}

fn warn_of_readers(secret: &Path) {
    let mode = std::fs::metadata(secret).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o077 != 0 {
        say(&format!(
            "warning: others on this machine may read the secret in {}: chmod 600 it\n",
            secret.display()
        ));
    }
}
