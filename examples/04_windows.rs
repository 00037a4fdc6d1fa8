//! Counts per minute of event time: windows, how far out of order events may come, and what happens
//! to those that come too late.
//!
//! ```text
//! cargo run --example 04_windows
//! ```

use waystream::prelude::*;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Car {
    gate: char,
    at: Timestamp,
    axles: u8,
}

/// What is known of one gate and minute.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Traffic {
    cars: u32,
    axles: u32,
}

fn build(flow: &Flow) {
    // A gate's clock may be five seconds behind the newest event of its partition.
    let event_time = EventTime::by(|car: &Car| car.at).out_of_order(secs(5));
    flow.source("cars", Unset, event_time)
        .key_by(|car| car.gate)
        .window(Tumbling::of(mins(1)))
        // A minute that has been told is told again for another twenty seconds, if it changes.
        .allowed_lateness(secs(20))
        .late("too late", Unset)
        .aggregate("traffic", |traffic: &mut Traffic, car| {
            traffic.cars += 1;
            traffic.axles += u32::from(car.axles);
        })
        .sink("minutes", Unset);
}

fn main() {
    let car = |gate, second: i64, axles| {
        let at = Timestamp(second * 1000);
        Step::Record(Car { gate, at, axles })
    };
    let cars = [
        car('A', 10, 2),
        car('A', 58, 5),
        car('B', 59, 2),
        car('A', 62, 2),
        car('A', 59, 2), // out of order, and on time
        car('B', 70, 2), // the first minute is over at 65 and told
        Step::Watermark(Timestamp(66_000)),
        Step::Advance(secs(1)), // time to tell it
        car('B', 57, 3),        // late, but allowed: told again
        car('A', 100, 2),
        car('A', 30, 2), // too late
    ];
    let outputs = TestJob::new(build).input("cars", cars).run().expect("the job runs");
    let mut minutes = outputs.output::<Pane<char, Traffic>>("minutes");
    minutes.sort_by_key(|pane| (pane.start.0, pane.key, pane.value.cars));
    for Pane { key, start, value, .. } in minutes {
        println!("gate {key}, minute {}: {value:?}", start.0 / 60_000);
    }
    for car in outputs.output::<Car>("too late") {
        println!("too late: {car:?}");
    }
}
