//! Processes that are killed, one after the other and with their supervisor.

use super::{Place, Running, all_children, children, comes, is_alive, signal, wait};
use std::collections::BTreeSet;

/// Kills at moments that follow from the seed; gives the processes that were ever there.
fn kill_often(place: &Place, running: &mut Running, count: usize, kills: usize) -> BTreeSet<u32> {
    let mut seen = BTreeSet::new();
    let mut random = 42_u64;
    for kill in 0..kills {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1442);
        let processes = all_children(running, count);
        seen.extend(&processes);
        // Every other one is killed while it starts, the rest after some checkpoints.
        if kill % 2 == 0 {
            place.wait_for_manifests("killed", running, 2 + (random >> 40) % 6);
        } else {
            let until = std::time::Duration::from_millis((random >> 40) % 200);
            std::thread::park_timeout(until);
        }
        let Some(victim) = processes.get(kill % count) else { break };
        signal(*victim, "-KILL");
        wait("its end", || !is_alive(*victim));
    }
    seen
}

#[test]
fn kills_of_every_process_lose_and_double_nothing() {
    for (processes, workers) in [(2, "2"), (3, "1")] {
        let place = Place::new();
        // What `--fresh` gives up is given up once, not at each start.
        let shape = ["--processes", &processes.to_string(), "--workers", workers, "--fresh"];
        let mut running = place.start("killed", "400x", &shape);
        let seen = kill_often(&place, &mut running, processes, 7);
        let ran = running.end();
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let restarts = ran.err.matches("starting all processes again").count();
        assert!(restarts >= 5, "{restarts} restarts: {}", ran.err);
        assert!(ran.err.contains("was ended by signal 9"), "{}", ran.err);
        assert!(ran.out.contains("resumed from epoch"), "{}", ran.out);
        place.compare("killed", &ran.err);
        assert!(seen.len() > 2 * processes && !seen.iter().any(|process| is_alive(*process)));
    }
}

#[test]
fn without_their_supervisor_processes_end_and_the_same_command_goes_on() {
    let place = Place::new();
    let shape = ["--processes", "3"];
    for stopped in [false, true] {
        let mut running = place.start("killed", "400x", &shape);
        let processes = all_children(&mut running, 3);
        place.wait_for_manifests("killed", &mut running, 5);
        if stopped {
            signal(processes[1], "-STOP");
        }
        running.signal("-KILL");
        assert_eq!(running.end().code, None);
        assert!(comes(|| !processes.iter().any(|process| is_alive(*process))));
    }
    let ran = place.run("killed", "max", &shape);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("resumed from epoch"), "{}", ran.out);
    place.compare("killed", &ran.err);
}

#[test]
fn starts_in_vain_have_a_limit() {
    let place = Place::new();
    let shape = ["--processes", "2", "--restart-limit", "2"];
    let mut running = place.start("killed", "60x", &shape);
    let mut kills = 0;
    while !running.is_over() && kills < 20 {
        let processes = children(running.id());
        if let [_, second] = processes[..] {
            signal(second, "-KILL");
            wait("its end", || !is_alive(second));
            kills += 1;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
    let ran = running.end();
    assert_eq!(ran.code, Some(69), "{}", ran.err);
    assert!(ran.err.contains("3 times without a new checkpoint"), "{}", ran.err);
}
