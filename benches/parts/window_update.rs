//! Adding a record to its window: what a windowed count costs beyond reading the records.

use crate::job::run_job;
use crate::keys::scatter;
use crate::{Figure, Scale};
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use waystream::connectors::generator::Generator;
use waystream::operators::{EventTime, Flow, Stream, Timestamp, Tumbling, secs};

const RECORDS: u64 = 10_000_000;
const KEYS: u64 = 10_000;
static WANTED: AtomicU64 = AtomicU64::new(RECORDS);

pub fn measure(scale: Scale) -> Result<Figure, Box<dyn Error>> {
    let records = scale.of(RECORDS);
    WANTED.store(records, Ordering::Relaxed);
    let read_s = run_job(1, read)?;
    let counted_s = run_job(1, count)?;
    let value = (counted_s - read_s) / records as f64 * 1e9;
    Ok(Figure { value, unit: "ns CPU per record, 10 k keys, 10 s windows", goal: None })
}

/// Key and time; a thousand records to the second of event time and key.
fn readings(flow: &Flow) -> Stream<(u64, i64)> {
    let make = |n| (scatter(n) % KEYS, (n / 100) as i64);
    let generator = Generator::new(1, make).count(WANTED.load(Ordering::Relaxed));
    flow.source("readings", generator, EventTime::by(|reading: &(u64, i64)| Timestamp(reading.1)))
}

fn read(flow: &Flow) {
    let _ = readings(flow).filter(|reading| reading.1 < 0);
}

fn count(flow: &Flow) {
    let _ = readings(flow)
        .key_by(|reading| reading.0)
        .window(Tumbling::of(secs(10)))
        .aggregate("count", |count: &mut u64, _| *count += 1);
}
