//! Processes that are asked to stop, or are stopped and go on too late.

use super::{Place, all_children, is_alive, signal};
use std::time::Duration;

#[test]
fn whoever_is_asked_to_stop_the_job_stops_with_a_checkpoint() {
    let place = Place::new();
    for asked in [None, Some(0), Some(2)] {
        let mut running = place.start("stopped", "200x", &["--processes", "3"]);
        let processes = all_children(&mut running, 3);
        place.wait_for_manifests("stopped", &mut running, 3);
        match asked {
            None => running.signal("-TERM"),
            Some(index) => signal(processes[index], "-INT"),
        }
        let ran = running.end();
        assert_eq!(ran.code, Some(0), "{asked:?}: {}", ran.err);
        let said = ran.err.matches("stopping after a final checkpoint").count();
        assert_eq!(said, 1, "{asked:?}: {}", ran.err);
        assert!(ran.out.contains(" records read, "), "{}", ran.out);
        assert!(!ran.err.contains("again"), "{asked:?}: {}", ran.err);
        assert!(!processes.iter().any(|process| is_alive(*process)));
    }
    let ran = place.run("stopped", "max", &["--processes", "2"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("resumed from epoch"), "{}", ran.out);
    place.compare("stopped", &ran.err);
}

#[test]
fn a_second_signal_ends_all_at_once() {
    let place = Place::new();
    let mut running = place.start("stopped", "200x", &["--processes", "2"]);
    let processes = all_children(&mut running, 2);
    place.wait_for_manifests("stopped", &mut running, 2);
    // A process that is stopped makes no final checkpoint.
    signal(processes[1], "-STOP");
    running.signal("-TERM");
    std::thread::park_timeout(Duration::from_millis(200));
    assert!(!running.is_over());
    running.signal("-TERM");
    assert_eq!(running.end().code, Some(128 + 15));
    assert!(!processes.iter().any(|process| is_alive(*process)));
}

#[test]
fn a_process_that_is_stopped_for_too_long_is_replaced() {
    let place = Place::new();
    for index in [0, 1] {
        let name = format!("stopped-{index}");
        let shape = ["--processes", "2", "--peer-timeout", "1s"];
        let mut running = place.start(&name, "200x", &shape);
        let processes = all_children(&mut running, 2);
        place.wait_for_manifests(&name, &mut running, 2);
        signal(processes[index], "-STOP");
        let ran = running.end();
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let named = format!("process {index} at 127.0.0.1:");
        assert!(ran.err.contains(&named), "{}", ran.err);
        assert!(ran.err.contains("is lost: no sign of life for 1 s; starting all"), "{}", ran.err);
        place.compare(&name, &ran.err);
        assert!(!processes.iter().any(|process| is_alive(*process)));
    }
}

#[test]
fn a_short_stop_is_no_failure() {
    let place = Place::new();
    let mut running = place.start("stopped", "400x", &["--processes", "2"]);
    let processes = all_children(&mut running, 2);
    for process in processes {
        place.wait_for_manifests("stopped", &mut running, 2);
        signal(process, "-STOP");
        std::thread::park_timeout(Duration::from_millis(1500));
        signal(process, "-CONT");
    }
    let ran = running.end();
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    place.compare("stopped", &ran.err);
}
