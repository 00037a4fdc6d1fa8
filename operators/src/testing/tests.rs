//! The test kit against its promises.

use crate::Step::{self, Crash};
use crate::{Change, EventTime, Flow, TestJob, Timestamp, Unset, ms};

type Fix = (u32, i64, u32);

fn job(flow: &Flow) {
    let event_time = EventTime::by(|fix: &Fix| Timestamp(fix.1)).out_of_order(ms(30));
    let ordered = flow.source("fixes", Unset, event_time).key_by(|fix| fix.0).ordered("order");
    ordered
        .clone()
        .live("latest", |latest: &mut u32, fix: Fix| *latest = fix.2)
        .expire_after(ms(100))
        .sink("changes", Unset);
    ordered.stateful("log", |_: &mut (), fix: Fix| Some(fix)).sink("log", Unset);
}

fn fixes(from: i64, to: i64) -> Vec<Fix> {
    (from..to).map(|i| ((i % 3) as u32, i * 10 - (i % 2) * 25, (i / 6) as u32)).collect()
}

#[test]
fn a_crash_in_the_input_changes_nothing() {
    let calm = TestJob::new(job).input("fixes", fixes(0, 60)).run().unwrap();
    let crashed = TestJob::new(job).input("fixes", fixes(0, 25)).crash();
    let crashed = crashed.input("fixes", fixes(25, 60)).run().unwrap();
    assert_eq!((calm.starts(), crashed.starts()), (1, 2));
    assert_eq!(calm.output::<Fix>("log"), crashed.output::<Fix>("log"));
    let changes = calm.output::<Change<u32, u32>>("changes");
    assert_eq!(changes, crashed.output::<Change<u32, u32>>("changes"));
    assert!(matches!(changes.last(), Some(Change::Remove { .. })));
}

#[test]
fn any_users_job_can_be_simulated() {
    let job = TestJob::new(job).input("fixes", fixes(0, 200)).workers([1, 2, 3]);
    job.simulate(40).unwrap();
}

#[test]
fn the_simulation_finds_state_outside_the_engine() {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let forgetful = |flow: &Flow| {
        flow.source("fixes", Unset, EventTime::by(|fix: &Fix| Timestamp(fix.1)))
            .map(|fix| (fix.0, COUNT.fetch_add(1, Relaxed)))
            .sink("numbered", Unset);
    };
    let job = TestJob::new(forgetful).input("fixes", fixes(0, 50));
    assert!(job.simulate(20).is_err());
}

#[test]
fn dead_letters_can_be_keyed_if_all_sources_are_there() {
    let count = |flow: &Flow| {
        let letters = flow.dead_letters().key_by(|letter| letter.source.clone());
        letters
            .stateful("count", |n: &mut u32, _| {
                *n += 1;
                Some(*n)
            })
            .sink("counts", Unset);
    };
    let source = |flow: &Flow| {
        let event_time = EventTime::by(|fix: &Fix| Timestamp(fix.1));
        flow.source("fixes", Unset, event_time).sink("out", Unset);
    };
    let broken = || [Step::<Fix>::Broken(b"{".to_vec()), Step::Broken(b"[".to_vec())];
    let behind = TestJob::new(move |flow: &Flow| (source(flow), count(flow)).0);
    assert_eq!(behind.input("fixes", broken()).output::<u32>("counts"), [1, 2]);
    let before = TestJob::new(move |flow: &Flow| (count(flow), source(flow)).0);
    let error = before.input("fixes", broken()).run().unwrap_err();
    assert_eq!(error.to_string(), "source `fixes` is declared after the dead letters are taken");
}

#[test]
fn names_that_the_job_does_not_have_are_refused() {
    let error = TestJob::new(job).input("fixs", fixes(0, 1)).run().unwrap_err();
    assert_eq!(error.to_string(), "the job has no source `fixs`");
    assert_eq!(error.hint.as_deref(), Some("did you mean `fixes`?"));
    let error = TestJob::new(job).input("fixes", [1u8]).run().unwrap_err();
    assert!(error.to_string().contains("the test gives `fixes` records of u8"), "{error}");
}

#[test]
#[should_panic(expected = "the job has no sink `logs`; did you mean `log`?")]
fn a_sink_that_the_job_does_not_have_has_no_output() {
    let _: Vec<Fix> = TestJob::new(job).input("fixes", fixes(0, 1)).output("logs");
}

#[test]
fn crashes_stand_between_records() {
    let fix = |fix: Fix| Step::Record(fix);
    let steps = [fix((1, 0, 1)), Crash, Crash, fix((1, 40, 2)), Crash];
    let outputs = TestJob::new(job).input("fixes", steps).run().unwrap();
    assert_eq!(outputs.starts(), 4);
    assert_eq!(outputs.output::<Fix>("log"), [(1, 0, 1), (1, 40, 2)]);
}
