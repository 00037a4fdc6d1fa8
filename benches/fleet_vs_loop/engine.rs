//! The same queries on the engine, as jobs written with the public API: read from JSON lines, with
//! an exactly-once checkpoint every second and rows committed to JSON lines.

use crate::grid::{cell, distance_m};
use crate::hand_loop::Query;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use waystream::connectors::sink::Output;
use waystream::connectors::source::Input;
use waystream::engine::checkpoint::{Folder, LocalDisk};
use waystream::engine::error::JobError;
use waystream::engine::job::{JobConfig, run};
use waystream::engine::spec::Deployment;
use waystream::operators::{EventTime, Flow, Timestamp, secs};

/// Answers a query over `data` with rows in `out`; gives their number, or nothing where the query is
/// not written as a job yet.
pub fn engine(query: Query, data: &Path, out: &Path) -> io::Result<Option<u64>> {
    let build: fn(&Flow) = match query {
        Query::F1 => fast,
        Query::F2 => latest,
        _ => return Ok(None),
    };
    let work = data.join(format!("engine-{}", std::process::id()));
    let rows = run_job(build, data, out, &work).map_err(io::Error::other);
    std::fs::remove_dir_all(&work)?;
    rows.map(Some)
}

fn run_job(build: fn(&Flow), data: &Path, out: &Path, work: &Path) -> Result<u64, JobError> {
    let mut deployment = Deployment::default();
    let events = format!("jsonl:{}", data.join("fleet.ndjson").display());
    deployment.sources.insert("events".to_owned(), events);
    let rows = match out.to_str() {
        Some("/dev/null") | None => work.join("rows.jsonl"),
        Some(_) => out.to_owned(),
    };
    deployment.sinks.insert("rows".to_owned(), format!("jsonl:{}", rows.display()));
    let folder = Folder::open(Arc::new(LocalDisk), work.join("checkpoints"))?;
    let config = JobConfig::new("fleet-vs-loop", folder);
    let metrics = config.metrics.clone();
    run(config, Flow::builder(deployment, build))?;
    Ok(metrics.sink("rows").committed.load(Relaxed))
}

#[derive(Clone, Serialize, Deserialize)]
struct Position {
    entity_id: CompactString,
    ts: i64,
    lat: f64,
    lon: f64,
    speed: f64,
    heading: f64,
}

fn events(flow: &Flow) -> waystream::operators::Stream<Position> {
    let event_time = EventTime::by(|p: &Position| Timestamp(p.ts)).out_of_order(secs(5));
    flow.source("events", Input::records(), event_time)
}

fn fast(flow: &Flow) {
    events(flow).filter(|p| p.speed > 5.0).sink("rows", Output::named());
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Latest {
    ts: Option<i64>,
    lat: f64,
    lon: f64,
    cell: i64,
    moved: f64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Delta {
    entity_id: CompactString,
    ts: i64,
    cell: i64,
    prev: i64,
    moved: f64,
    lat: f64,
    lon: f64,
}

impl Latest {
    fn observe(&mut self, p: Position) -> Option<Delta> {
        let Position { entity_id, ts, lat, lon, .. } = p;
        let (cell, prev) = (cell(lat, lon), self.cell);
        match self.ts {
            Some(last) if ts <= last => return None,
            Some(_) => self.moved += distance_m((self.lat, self.lon), (lat, lon)),
            None => {}
        }
        let moved = self.moved;
        *self = Self { ts: Some(ts), lat, lon, cell, moved };
        (cell != prev).then_some(Delta { entity_id, ts, cell, prev, moved, lat, lon })
    }
}

fn latest(flow: &Flow) {
    events(flow)
        .key_by(|p| p.entity_id.clone())
        .stateful("latest", Latest::observe)
        .sink("rows", Output::named());
}
