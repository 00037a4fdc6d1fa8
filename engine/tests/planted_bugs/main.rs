//! Every planted bug is caught by the very check that finds nothing without it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../engine/group.rs"]
#[allow(dead_code, reason = "the tests of several processes use the rest")]
mod group;
#[path = "../engine/job.rs"]
mod job;
#[path = "../engine/tampering.rs"]
mod tampering;

use job::check;
use waystream_engine::sabotage::{Sabotage, plant};
use waystream_engine::simulation::Crashes;

const BUGS: [Sabotage; 9] = [
    Sabotage::OffsetsEarly,
    Sabotage::ManifestBeforeFiles,
    Sabotage::TimersNotRestored,
    Sabotage::QueueLost,
    Sabotage::SinkBeforeManifest,
    Sabotage::StateOfOlderEpoch,
    Sabotage::WatermarkAhead,
    Sabotage::PaidTwice,
    Sabotage::EpochOfEarlierRun,
];

/// Bugs that only damaged checkpoints bring to light.
const BLINDNESSES: [Sabotage; 2] = [Sabotage::SegmentsUnbound, Sabotage::ChecksumsIgnored];

/// Bugs that several processes bring to light.
const DISAGREEMENTS: [(Sabotage, fn() -> Result<(), String>); 2] = [
    (Sabotage::StopDecidedApart, group::check_stop),
    (Sabotage::OthersRestoreOlder, group::check_resumed),
];

/// Bugs are planted for the whole process, so one test plants them in turn.
#[test]
fn every_planted_bug_is_caught() {
    for bug in BUGS {
        plant(Some(bug));
        let caught = (0..1000).find_map(|seed| check(seed, Crashes::Times(4)).err());
        plant(None);
        let caught = caught.unwrap_or_else(|| panic!("{bug:?} was not caught in 1,000 seeds"));
        eprintln!("{bug:?}: {caught}");
    }
    for bug in BLINDNESSES {
        plant(Some(bug));
        let caught = tampering::check(false);
        plant(None);
        eprintln!("{bug:?}: {}", caught.expect_err("damage that is not seen"));
    }
    for (bug, check) in DISAGREEMENTS {
        plant(Some(bug));
        let caught = (0..20).find_map(|_| check().err());
        plant(None);
        eprintln!("{bug:?}: {}", caught.expect("a disagreement that is not seen"));
        check().expect("without a planted bug the check finds nothing");
    }
    for seed in 0..5 {
        check(seed, Crashes::Times(4)).expect("without a planted bug the check finds nothing");
    }
}
