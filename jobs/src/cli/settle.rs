//! `waystream settle`: pays what a stopped job owes its sinks.

use super::config::Resolved;
use super::report::{answer, say};
use super::run::absolute;
use std::sync::Arc;
use waystream_engine::checkpoint::{Folder, LocalDisk};
use waystream_engine::error::Result;
use waystream_engine::job::JobConfig;
use waystream_engine::settle::settle as settle_job;
use waystream_engine::spec::History;
use waystream_operators::Flow;

pub(super) fn settle(Resolved { job, options, mut deployment, .. }: Resolved) -> Result<()> {
    let folder = absolute(&options.checkpoints)?;
    let checkpoints = Folder::at(Arc::new(LocalDisk), folder.clone());
    let name = job.name.to_owned();
    deployment.history = History { job: name, checkpoints: folder, resumes: true };
    let config = JobConfig {
        tell: Arc::new(|text| say(&format!("{text}\n"))),
        ..JobConfig::new(job.name, checkpoints)
    };
    let settled = settle_job(config, Flow::builder(deployment, job.build))?;
    let (name, epoch) = (job.name, settled.epoch);
    let paid = match settled.rows {
        0 => "nothing was owed".to_owned(),
        rows => format!("{rows} rows that were owed are visible"),
    };
    answer(&format!("`{name}` at epoch {epoch}: {paid}; the same job goes on from there\n"));
    Ok(())
}
