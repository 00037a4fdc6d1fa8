//! Runs a job of the bench without what is not measured: no checkpoint but the last.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use waystream::engine::checkpoint::{Folder, LocalDisk};
use waystream::engine::job::{Build, JobConfig, run};
use waystream::engine::plan::Plan;
use waystream::engine::spec::Deployment;
use waystream::operators::Flow;

/// A checkpoint interval longer than any run.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs a job to its end and gives the processor seconds that took.
pub fn run_job(workers: usize, build: fn(&Flow)) -> Result<f64, Box<dyn Error>> {
    run_build(workers, Flow::builder(Deployment::default(), build))
}

/// The same for a job in the engine's own terms.
pub fn run_plan(
    workers: usize,
    build: impl Fn(&Plan) + Send + Sync + 'static,
) -> Result<f64, Box<dyn Error>> {
    run_build(workers, Arc::new(build))
}

fn run_build(workers: usize, build: Build) -> Result<f64, Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let folder = Folder::open(Arc::new(LocalDisk), temporary.path().to_owned())?;
    let mut config = JobConfig::new("part", folder);
    config.workers = workers;
    config.checkpoint_every = NEVER;
    config.max_bytes_in_flight = usize::MAX;
    let before_s = crate::cpu::seconds()?;
    run(config, build)?;
    Ok(crate::cpu::seconds()? - before_s)
}
