//! What an event costs with ten million keys, in multiples of what it costs with ten thousand.

use crate::job::run_job;
use crate::keys::scatter;
use crate::{Figure, Scale, cpu};
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use waystream::connectors::generator::Generator;
use waystream::operators::{EventTime, Flow, Timestamp};

const FEW: u64 = 10_000;
const MANY: u64 = 10_000_000;
/// Events measured, after every key was seen once.
const EVENTS: u64 = 20_000_000;

static KEYS: AtomicU64 = AtomicU64::new(FEW);
static MEASURED: AtomicU64 = AtomicU64::new(EVENTS);
/// Processor microseconds spent when every key was seen, and when the last event was made.
static WARM_US: AtomicU64 = AtomicU64::new(0);
static END_US: AtomicU64 = AtomicU64::new(0);

pub fn measure(scale: Scale) -> Result<Figure, Box<dyn Error>> {
    let few_ns = per_event_ns(scale.of(FEW), scale.of(EVENTS))?;
    let many_ns = per_event_ns(scale.of(MANY), scale.of(EVENTS))?;
    let value = many_ns / few_ns.max(1.0);
    Ok(Figure { value, unit: "of the cost per event, 10 M keys to 10 k", goal: Some(1.5) })
}

fn per_event_ns(keys: u64, events: u64) -> Result<f64, Box<dyn Error>> {
    KEYS.store(keys, Ordering::Relaxed);
    MEASURED.store(events, Ordering::Relaxed);
    run_job(1, latest)?;
    let spent_us = END_US.load(Ordering::Relaxed) - WARM_US.load(Ordering::Relaxed);
    Ok(spent_us as f64 * 1000.0 / events as f64)
}

fn latest(flow: &Flow) {
    let (keys, events) = (KEYS.load(Ordering::Relaxed), MEASURED.load(Ordering::Relaxed));
    let make = move |n| {
        if n == keys {
            stamp(&WARM_US);
        } else if n + 1 == keys + events {
            stamp(&END_US);
        }
        let key = if n < keys { n } else { scatter(n) % keys };
        (key, n as i64)
    };
    let generator = Generator::new(1, make).count(keys + events);
    let _ = flow
        .source("events", generator, EventTime::by(|event: &(u64, i64)| Timestamp(event.1)))
        .key_by(|event| event.0)
        .stateful("latest", |latest: &mut (i64, u64), event: (u64, i64)| {
            *latest = (event.1, latest.1 + 1);
            None::<u64>
        });
}

fn stamp(at: &AtomicU64) {
    let spent_s = cpu::seconds().unwrap_or_default();
    at.store((spent_s * 1e6) as u64, Ordering::Relaxed);
}
