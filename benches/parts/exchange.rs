//! Carrying a record to the worker that owns its key: hashing the key, splitting the batch, handing
//! it over and calling an operator that does nothing. Two workers; what making the records costs is
//! taken off.

use crate::job::run_job;
use crate::keys::scatter;
use crate::{Figure, Scale};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use waystream::connectors::generator::Generator;
use waystream::operators::{Event, EventTime, Flow, Operator, Scope, Stream, Timestamp};

const RECORDS: u64 = 20_000_000;
/// So few that their state costs next to nothing.
const KEYS: u64 = 64;
static WANTED: AtomicU64 = AtomicU64::new(RECORDS);

/// 32 bytes.
#[derive(Clone, Serialize, Deserialize)]
struct Reading {
    key: u64,
    at: i64,
    value: (f64, f64),
}

pub fn measure(scale: Scale) -> Result<Figure, Box<dyn Error>> {
    let records = scale.of(RECORDS);
    WANTED.store(records, Ordering::Relaxed);
    let read_s = run_job(2, read)?;
    let carried_s = run_job(2, carry)?;
    let value = (carried_s - read_s) / records as f64 * 1e9;
    Ok(Figure { value, unit: "ns CPU per record of 32 B, 2 workers", goal: Some(20.0) })
}

fn readings(flow: &Flow) -> Stream<Reading> {
    let make = |n| Reading { key: scatter(n) % KEYS, at: n as i64, value: (0.0, 0.0) };
    let generator = Generator::new(2, make).count(WANTED.load(Ordering::Relaxed));
    flow.source("readings", generator, EventTime::by(|reading: &Reading| Timestamp(reading.at)))
}

fn read(flow: &Flow) {
    let _ = readings(flow).filter(|reading| reading.at < 0);
}

fn carry(flow: &Flow) {
    let _ = readings(flow).key_by(|reading| reading.key).process("drop", Drop);
}

/// Takes records and does nothing.
struct Drop;

impl Operator for Drop {
    type Key = u64;
    type Record = Reading;
    type State = ();
    type Output = ();

    fn on_event(&mut self, (): &mut (), _: Event<Reading>, _: &mut Scope<'_, Self>) {}
}
