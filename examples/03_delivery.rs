//! One live courier per id, for the customer's phone: every change of the state goes out, and a
//! courier who has been silent for half an hour is gone.
//!
//! ```text
//! cargo run --example 03_delivery -- run delivery --fresh --no-serve --no-progress
//! ```
//!
//! Without `--no-serve` phones read the view at `/views/couriers` while the job runs; replay the
//! file in its own time with `--source 'pings=jsonl:examples/data/pings.jsonl?speed=10x'`.

use std::process::ExitCode;
use waystream::prelude::*;

/// A courier's phone says where it is on its tour.
#[derive(Clone, Serialize, Deserialize)]
pub struct Ping {
    pub courier: u32,
    pub at: Timestamp,
    pub stop: u8,
}

/// What a customer sees.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Courier {
    pub stops_done: u8,
    pub last_seen: Timestamp,
}

impl Courier {
    fn observe(&mut self, ping: Ping) {
        self.stops_done = self.stops_done.max(ping.stop);
        self.last_seen = self.last_seen.max(ping.at);
    }
}

pub fn build(flow: &Flow) {
    let event_time = EventTime::by(|ping: &Ping| ping.at).out_of_order(secs(5));
    let couriers = flow
        .source("pings", pings(), event_time)
        .key_by(|ping| ping.courier)
        .live("couriers", Courier::observe)
        .expire_after(mins(30));
    couriers.clone().view("couriers", Change::shown);
    couriers.sink("app", Output::to("stdout:"));
}

/// A default: a deployment overrides it by name, `--source pings=…` or `[sources]` of its file.
fn pings() -> Input<Ping> {
    let file = concat!("jsonl:", env!("CARGO_MANIFEST_DIR"), "/examples/data/pings.jsonl");
    Input::at(file).time_of(|ping| ping.at)
}

fn main() -> ExitCode {
    waystream::main(vec![Job::new("delivery", "one live courier per id", build)])
}
