//! Runs a job as one of several processes, from finding the others to the end.

use super::config::Cluster;
use super::control::Decision;
use super::follow::Follower;
use super::gather::{Mesh, gather};
use super::hello::{Hello, Purpose};
use super::lead::Leader;
use super::link::Link;
use super::wire::Wire;
use crate::checkpoint::file_hash;
use crate::error::{JobError, Result};
use crate::failure::Failure;
use crate::job::{Begin, Build, JobConfig, Outcome, StopSignal, Takeover};
use crate::plan::Plan;
use crate::sabotage::{Sabotage, planted};
use std::collections::BTreeMap;
use std::sync::Arc;
use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::{AllocatorBuilder, Hooks};

/// Starts a thread that ends by itself.
pub(super) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(body);
    spawned.map(drop).map_err(|error| {
        JobError::unavailable(format!("cannot start the thread `{name}`"))
            .hint("allow more threads (ulimit -u)")
            .caused_by(error)
    })
}

/// Runs this process' share of a job.
///
/// # Errors
/// Why the job failed, wherever it did.
pub(crate) fn run(config: JobConfig, build: Build, cluster: &Arc<Cluster>) -> Result<Outcome> {
    let hello = hello(&config, &build, cluster)?;
    let Some(mesh) = gather(cluster, hello, &config.clock, &config.stop)? else {
        return Ok(Outcome { resumed_from: None, was_finished: false, generation: 0 });
    };
    // What asks this process to stop is a wish; what stops the job is decided by process 0.
    let wish = config.stop.clone();
    let is_apart = planted(Sabotage::StopDecidedApart);
    let stop = if is_apart { wish.clone() } else { StopSignal::default() };
    let config = JobConfig { stop, ..config };
    match cluster.leads() {
        true => lead(config, build, cluster, mesh, wish),
        false => follow(config, build, cluster, mesh, wish),
    }
}

/// What this process says of itself.
fn hello(config: &JobConfig, build: &Build, cluster: &Cluster) -> Result<Hello> {
    let plan = Plan::new(0, 1, config.metrics.clone());
    build(&plan);
    let sketch = serde_json::to_vec(&plan.sketch())
        .map_err(|error| JobError::failed("the plan cannot be written").caused_by(error))?;
    plan.finish()?;
    let member = &cluster.member;
    Ok(Hello {
        job: config.name.clone(),
        build: member.build.clone(),
        hosts: member.hosts.clone(),
        workers: config.workers,
        plan: file_hash(&sketch),
        options: file_hash(member.options.as_bytes()),
        run: member.run.clone(),
        index: member.index,
        purpose: Purpose::Data,
    })
}

fn lead(
    config: JobConfig,
    build: Build,
    cluster: &Arc<Cluster>,
    mesh: Mesh,
    wish: StopSignal,
) -> Result<Outcome> {
    let failure = Failure::default();
    let leader = Leader::start(cluster, mesh.control, &config, &failure, wish)?;
    let done = Takeover::begin(config, build, failure).and_then(|begin| match begin {
        Begin::Finished(outcome) => {
            leader.tell(&Decision::Finished);
            Ok(outcome)
        }
        Begin::Ready(takeover) => {
            (cluster.begun)();
            let manifest = takeover.manifest.encode()?;
            leader.tell(&Decision::Start(manifest));
            work(*takeover, cluster, mesh.data)
        }
    });
    match done {
        Ok(outcome) => {
            leader.finish();
            Ok(outcome)
        }
        Err(error) => Err(leader.fail(error)),
    }
}

fn follow(
    config: JobConfig,
    build: Build,
    cluster: &Arc<Cluster>,
    mut mesh: Mesh,
    wish: StopSignal,
) -> Result<Outcome> {
    let failure = Failure::default();
    let Some(wire) = mesh.control.remove(&0) else {
        return Err(JobError::failed("there is no connection to process 0"));
    };
    let follower = Follower::start(wire, cluster.relay.clone(), &config, &failure, wish)?;
    let done = follower.wait_for_start().and_then(|manifest| match manifest {
        None => Ok(Outcome { resumed_from: None, was_finished: true, generation: 0 }),
        Some(mut manifest) => {
            if planted(Sabotage::OthersRestoreOlder) {
                manifest.segments.pop();
            }
            work(Takeover::join(config, build, manifest, failure)?, cluster, mesh.data)
        }
    });
    match done.and_then(|outcome| follower.finish().map(|()| outcome)) {
        Ok(outcome) => Ok(outcome),
        Err(error) => Err(follower.fail(error)),
    }
}

/// Runs the workers of this process. When this returns, all threads of the dataflow have ended.
fn work(
    takeover: Takeover,
    cluster: &Cluster,
    mut data: BTreeMap<usize, Arc<Wire>>,
) -> Result<Outcome> {
    let (index, processes) = (cluster.member.index, cluster.member.hosts.len());
    let (workers, failure) = (takeover.config.workers, takeover.failure.clone());
    let links = (0..processes)
        .map(|other| data.remove(&other).map(|wire| Link::new(wire, failure.clone())))
        .collect();
    let hooks = Hooks::default();
    let inside = ProcessBuilder::new_typed_vector(workers, hooks.refill.clone(), None);
    let (builders, threads) = initialize_networking_from_sockets(
        inside, links, index, workers, hooks,
    )
    .map_err(|error| {
        JobError::unavailable("cannot start the threads between processes")
            .hint("allow more threads (ulimit -u)")
            .caused_by(error)
    })?;
    let builders = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
    takeover.run_workers(builders, Box::new(threads))
}
