//! Several processes of one job: the answers of one, whatever happens to the connections, and an end
//! that names who was lost or does not belong.

mod strangers;
mod trouble;

use crate::group::{Group, PARTITIONS, all_done, check_resumed, check_stop};
use std::sync::atomic::Ordering::SeqCst;
use waystream_engine::error::ErrorKind;
use waystream_engine::time::ms;

#[test]
fn several_processes_give_the_answers_of_one_and_count_for_the_whole_job() {
    for (processes, workers) in [(1, 1), (2, 1), (2, 2), (3, 1)] {
        let temporary = tempfile::tempdir().unwrap();
        let mut group = Group { workers, ..Group::new(temporary.path(), 1000) };
        let running = group.start_all(processes);
        all_done(&running);
        assert!(group.is_exact(), "{processes} x {workers}");
        let counted = running[0].metrics.source("numbers").read.load(SeqCst);
        assert_eq!(counted, 1000 * PARTITIONS);
        let again = group.start_all(processes);
        assert!(again.iter().all(|process| process.end().unwrap().was_finished));
    }
}

#[test]
fn who_is_asked_to_stop_stops_all_and_any_shape_goes_on() {
    for asked in 0..3 {
        let temporary = tempfile::tempdir().unwrap();
        let mut group = Group::new(temporary.path(), 1000);
        group.numbers.limit.store(500, SeqCst);
        let running = group.start_all(3);
        let committed = || running[0].metrics.sink("rows").committed.load(SeqCst);
        while committed() < 500 * PARTITIONS {
            std::thread::park_timeout(ms(1));
        }
        running[asked].stop.request();
        all_done(&running);
        group.numbers.limit.store(u64::MAX, SeqCst);
        let resumed = group.start_all(2);
        assert!(resumed[0].end().unwrap().resumed_from.is_some());
        all_done(&resumed[1..]);
        assert!(group.is_exact());
    }
}

#[test]
fn the_same_shape_goes_on_where_it_was_stopped() {
    check_resumed().unwrap();
}

#[test]
fn a_stop_elsewhere_is_not_taken_for_the_end_of_the_input() {
    check_stop().unwrap();
}

#[test]
fn a_failed_operator_is_named_with_its_process_everywhere() {
    let mut owners = std::collections::BTreeSet::new();
    for fails_at in [3001, 3002, 3003, 3004, 3005] {
        let temporary = tempfile::tempdir().unwrap();
        let mut group = Group { fails_at, ..Group::new(temporary.path(), 1000) };
        let running = group.start_all(2);
        for process in &running {
            let error = process.end().unwrap_err();
            assert_eq!(error.kind, ErrorKind::Failed, "{error}");
            assert!(error.to_string().contains("operator counts: "), "{error}");
            assert!(error.to_string().ends_with(" is no good"), "{error}");
            assert_eq!(error.hint.as_deref(), Some("leave it out"));
            owners.insert(error.to_string().starts_with("process 1"));
        }
        group.fails_at = u64::MAX;
        all_done(&group.start_all(2));
        assert!(group.is_exact());
    }
    assert_eq!(owners.len(), 2, "keys of both processes failed");
}
