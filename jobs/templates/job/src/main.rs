//! One live courier per id: how many stops of its round are done.

use waystream::prelude::*;

#[derive(Clone, Serialize, Deserialize)]
struct Ping {
    courier: u32,
    at: Timestamp,
    stop: u8,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Courier {
    stops_done: u8,
}

impl Courier {
    fn observe(&mut self, ping: Ping) {
        self.stops_done = self.stops_done.max(ping.stop);
    }
}

fn build(flow: &Flow) {
    flow.source("pings", Input::at("jsonl:pings.jsonl"), EventTime::by(|ping: &Ping| ping.at))
        .key_by(|ping| ping.courier)
        .live("couriers", Courier::observe)
        .sink("changes", Output::to("stdout:"));
}

fn main() -> std::process::ExitCode {
    waystream::main(vec![Job::new("NAME", "one live courier per id", build)])
}

#[cfg(test)]
mod tests;
