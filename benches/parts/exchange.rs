//! Carrying a record to the worker that owns its key: hashing the key, splitting the batch and
//! handing it over to an operator that does nothing. Two workers; what making the records costs is
//! taken off.

use crate::job::run_plan;
use crate::keys::scatter;
use crate::{Figure, Scale};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::sync::Arc;
use waystream::connectors::generator::Generator;
use waystream::engine::Port;
use waystream::engine::checkpoint::LocalDisk;
use waystream::engine::error::Result;
use waystream::engine::event::Event;
use waystream::engine::key::PerKey;
use waystream::engine::operator::{Operator, Scope};
use waystream::engine::plan::{Plan, Routing};
use waystream::engine::source::EventTime;
use waystream::engine::spec::{History, OpenContext, SourceSpec};
use waystream::engine::time::Timestamp;

const RECORDS: u64 = 20_000_000;

/// 32 bytes.
#[derive(Clone, Serialize, Deserialize)]
struct Reading {
    key: u64,
    at: i64,
    value: (f64, f64),
}

pub fn measure(scale: Scale) -> std::result::Result<Figure, Box<dyn Error>> {
    let records = scale.of(RECORDS);
    let read_s = run_plan(2, move |plan| drop(readings(plan, records)))?;
    let carried_s = run_plan(2, move |plan| carry(plan, records))?;
    let value = (carried_s - read_s) / records as f64 * 1e9;
    Ok(Figure { value, unit: "ns CPU per record of 32 B, 2 workers", goal: Some(20.0) })
}

fn readings(plan: &Plan, records: u64) -> Port<Reading> {
    let make = |n| Reading { key: scatter(n), at: n as i64, value: (0.0, 0.0) };
    let generator = Generator::new(2, make).count(records);
    let (name, disk) = ("readings".to_owned(), Arc::new(LocalDisk));
    match generator.open(&OpenContext { name, url: None, disk, history: History::default() }) {
        Ok(source) => plan.source("readings", source, EventTime::by(|r: &Reading| Timestamp(r.at))),
        Err(error) => {
            plan.refuse(error);
            Port::default()
        }
    }
}

fn carry(plan: &Plan, records: u64) {
    let readings = readings(plan, records);
    plan.keyed("drop", &readings, |reading| reading.key, Routing::Exchange, Drop);
}

/// Takes records and does nothing.
struct Drop;

impl Operator<u64, Reading> for Drop {
    type Address = PerKey<u64>;
    type State = ();
    type Output = ();

    fn schema(&self) -> String {
        "drop".to_owned()
    }

    fn on_event(
        &mut self,
        _: u64,
        _: Event<Reading>,
        _: &mut Scope<'_, PerKey<u64>, (), (), Reading>,
    ) -> Result<()> {
        Ok(())
    }
}
