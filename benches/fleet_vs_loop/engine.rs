//! Runs the same queries on the engine: read from JSON lines, with an exactly-once checkpoint every
//! second and rows committed to JSON lines.

use crate::hand_loop::Query;
use crate::jobs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use waystream::engine::checkpoint::{Folder, LocalDisk};
use waystream::engine::error::JobError;
use waystream::engine::job::{Build, JobConfig, run};
use waystream::engine::spec::Deployment;
use waystream::operators::Flow;

/// Where the rows are written.
const ROWS: &str = "rows.jsonl";

/// Answers a query over `data` with rows in the file `out`; gives their number. They are written in a
/// folder of their own, as a sink begins anew only where it has not written before.
pub fn engine(query: Query, data: &Path, out: &Path) -> io::Result<u64> {
    let work = out.with_extension(std::process::id().to_string());
    let rows = run_job(query, data, &work).map_err(io::Error::other);
    let rows = rows?;
    std::fs::rename(work.join(ROWS), out)?;
    std::fs::remove_dir_all(&work)?;
    Ok(rows)
}

fn run_job(query: Query, data: &Path, work: &Path) -> Result<u64, JobError> {
    let mut deployment = Deployment::default();
    let events = format!("jsonl:{}", data.join("fleet.ndjson").display());
    deployment.sources.insert("events".to_owned(), events);
    deployment.sinks.insert("rows".to_owned(), format!("jsonl:{}", work.join(ROWS).display()));
    let build: Build = match query {
        Query::F1 => Flow::builder(deployment, jobs::fast),
        Query::F2 => Flow::builder(deployment, jobs::latest),
        Query::F3 => Flow::builder(deployment, jobs::windows),
        Query::F4 => {
            let fences = data.join("fences.json");
            Flow::builder(deployment, move |flow| jobs::crossings(flow, &fences))
        }
        Query::F5 => Flow::builder(deployment, jobs::sessions),
    };
    let folder = Folder::open(Arc::new(LocalDisk), work.join("checkpoints"))?;
    let config = JobConfig::new("fleet-vs-loop", folder);
    let metrics = config.metrics.clone();
    run(config, build)?;
    Ok(metrics.sink("rows").committed.load(Relaxed))
}
