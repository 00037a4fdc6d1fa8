//! What a job costs that has nothing to do: epochs go by, and nothing comes in.

use crate::{Figure, Scale, cpu};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use waystream::connectors::generator::Generator;
use waystream::engine::checkpoint::{Folder, LocalDisk};
use waystream::engine::job::{JobConfig, run};
use waystream::engine::spec::Deployment;
use waystream::operators::{EventTime, Flow, Timestamp};

const SETTLE: Duration = Duration::from_secs(1);

pub fn measure(scale: Scale) -> Result<Figure, Box<dyn Error>> {
    let watched = Duration::from_millis(scale.of(10_000).max(100));
    let temporary = tempfile::tempdir()?;
    let folder = Folder::open(Arc::new(LocalDisk), temporary.path().to_owned())?;
    let config = JobConfig::new("idle", folder);
    let stop = config.stop.clone();
    let job = std::thread::spawn(|| run(config, Flow::builder(Deployment::default(), quiet)));
    std::thread::park_timeout(SETTLE);
    let before_s = cpu::seconds()?;
    std::thread::park_timeout(watched);
    let value = (cpu::seconds()? - before_s) / watched.as_secs_f64() * 100.0;
    stop.request();
    job.join().map_err(|_| "the job's thread panicked")??;
    Ok(Figure { value, unit: "% of a core, checkpoints every second", goal: Some(0.5) })
}

/// One event now and the next in more than a day.
fn quiet(flow: &Flow) {
    let generator = Generator::new(1, |n| n).per_second(1e-5);
    let _ = flow
        .source("events", generator, EventTime::by(|n: &u64| Timestamp(*n as i64)))
        .key_by(|n| *n)
        .stateful("count", |count: &mut u64, _| {
            *count += 1;
            Some(*count)
        });
}
