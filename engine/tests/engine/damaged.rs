//! Checkpoints are refused by name when they are damaged, and left alone when they are not.

use crate::job::{CHECKPOINTS, World};
use crate::tampering::{Left, check};
use std::path::Path;
use waystream_engine::checkpoint::{Disk, Fallback};
use waystream_engine::error::ErrorKind;
use waystream_engine::simulation::simulate;

#[test]
fn no_damage_is_missed_and_none_changes_the_answers() {
    let (refused, fell_back) = check(std::env::var("WAYSTREAM_SEEDS").is_ok()).unwrap();
    eprintln!("{refused} refused, {fell_back} fell back");
    assert!(refused > 300 && fell_back > 20, "{refused} refused, {fell_back} fell back");
}

#[test]
fn files_of_others_are_left_alone_and_leftovers_removed() {
    let world = Left::behind().world.copy();
    let others = ["notes.txt", "g1-notes.txt", "manifest-1.json", "manifest.json", "draft.tmp"];
    let leftovers = ["manifest-0000000099.json.4711.tmp", "g1-e3-w0.segment.4711.tmp"];
    for name in others.iter().chain(&leftovers) {
        world.disk.write(&Path::new(CHECKPOINTS).join(name), &[b"what is in it"]).unwrap();
    }
    simulate(&world.scenario(), 3).unwrap();
    world.compare().unwrap();
    let names = world.disk.list(Path::new(CHECKPOINTS)).unwrap();
    assert!(others.iter().all(|other| names.iter().any(|name| name == other)), "{names:?}");
    assert!(!leftovers.iter().any(|left| names.iter().any(|name| name == left)), "{names:?}");
}

#[test]
fn a_refused_start_changes_nothing_so_that_falling_back_stays_possible() {
    let left = Left::behind();
    let mut world = left.world.copy();
    let names = || world.disk.copy().list(Path::new(CHECKPOINTS)).unwrap();
    let newest = names().into_iter().rfind(|name| name.starts_with("manifest-")).unwrap();
    world.disk.tamper(&Path::new(CHECKPOINTS).join(&newest), |bytes| bytes[100] ^= 1);
    let before = names();
    for _ in 0..3 {
        let error = simulate(&world.scenario(), 3).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Checkpoint);
    }
    assert_eq!(names(), before);
    world.config.fallback = Fallback::Older;
    simulate(&world.scenario(), 3).unwrap();
    world.compare().unwrap();
}

#[test]
fn segments_without_any_manifest_are_no_empty_folder() {
    let mut world = Left::behind().world.copy();
    for name in world.disk.list(Path::new(CHECKPOINTS)).unwrap() {
        if name.starts_with("manifest-") {
            world.disk.remove(&Path::new(CHECKPOINTS).join(name)).unwrap();
        }
    }
    for fallback in [Fallback::Refuse, Fallback::Older] {
        world.config.fallback = fallback;
        let error = simulate(&world.scenario(), 3).unwrap_err();
        assert!(error.to_string().ends_with("has lost the manifest that names it"), "{error}");
        assert!(error.hint.unwrap().contains("--fresh"));
    }
    world.config.fresh = true;
    simulate(&world.scenario(), 3).unwrap();
    world.compare().unwrap();
}

#[test]
fn a_full_disk_stops_the_job_and_room_lets_it_go_on() {
    let (mut in_checkpoints, mut finished) = (0, false);
    for operations in (0..).step_by(23) {
        let world = World::new(5);
        world.disk.fill_after(operations);
        match simulate(&world.scenario(), 5) {
            Ok(_) => finished = true,
            Err(error) => {
                let (text, hint) = (error.to_string(), error.hint.unwrap_or_default());
                if text.contains("cannot write checkpoint file /checkpoints/") {
                    in_checkpoints += 1;
                    assert_eq!(error.kind, ErrorKind::Checkpoint, "{text}");
                    assert!(hint.starts_with("make room on the disk"), "{text}: {hint}");
                }
            }
        }
        world.disk.restart();
        simulate(&world.scenario(), 6).unwrap();
        world.compare().unwrap();
        if finished {
            break;
        }
    }
    assert!(in_checkpoints > 3, "the disk was full in {in_checkpoints} checkpoints");
}
