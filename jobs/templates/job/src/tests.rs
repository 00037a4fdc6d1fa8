//! The job, unmodified, on given events: killed in the middle, and put through seeds of crashes.

use super::*;

fn ping(courier: u32, at_s: i64, stop: u8) -> Ping {
    Ping { courier, at: Timestamp(at_s * 1000), stop }
}

fn job() -> TestJob {
    TestJob::new(build)
        .input("pings", [ping(7, 0, 1), ping(8, 1, 1), ping(7, 2, 2)])
        .crash()
        .input("pings", [ping(7, 9, 1), ping(8, 10, 2)])
}

#[test]
fn a_courier_never_goes_back() {
    let changes: Vec<Change<u32, Courier>> = job().run().unwrap().output("changes");
    let upsert = |key, stops_done| Change::Upsert { key, state: Courier { stops_done } };
    assert_eq!(changes, [upsert(7, 1), upsert(8, 1), upsert(7, 2), upsert(8, 2)]);
}

#[test]
fn crashes_change_nothing() {
    job().workers([1, 2]).simulate(100).unwrap();
}
