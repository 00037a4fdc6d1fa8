//! A savepoint is whole in itself: a job that begins with it ends with the same answers, however
//! often it is killed, and nothing that does not fit is taken for it.

use crate::job::{CHECKPOINTS, World};
use crate::tampering::Left;
use std::path::Path;
use std::sync::Arc;
use waystream_engine::checkpoint::{Disk, Folder, Saved, save};
use waystream_engine::error::{ErrorKind, JobError};
use waystream_engine::job::JobConfig;
use waystream_engine::simulation::{Crashes, Scenario, simulate};

const SAVEPOINT: &str = "/savepoint";

fn folder(world: &World, path: &str) -> Folder {
    Folder::at(Arc::new(world.disk.clone()), path)
}

/// A killed job that owes rows, with a savepoint of it.
fn saved() -> (World, Saved) {
    let world = Left::behind().world.copy();
    let (from, to) = (folder(&world, CHECKPOINTS), folder(&world, SAVEPOINT));
    let saved = save(&from, "sums", &to).unwrap();
    (world, saved)
}

/// The job with checkpoints in another folder, beginning with the savepoint.
fn from_savepoint(world: &World, checkpoints: &str) -> World {
    let mut world = world.copy();
    world.config.checkpoints = folder(&world, checkpoints);
    world.config.from = Some(folder(&world, SAVEPOINT));
    world
}

fn refused(world: &World) -> JobError {
    let error = simulate(&world.scenario(), 1).unwrap_err();
    assert!(error.hint.is_some(), "{error}");
    error
}

#[test]
fn a_history_that_begins_with_a_savepoint_ends_with_the_same_answers() {
    let (world, saved) = saved();
    assert!(saved.owed_rows > 0 && saved.bytes > 0);
    for name in world.disk.list(Path::new(CHECKPOINTS)).unwrap() {
        world.disk.remove(&Path::new(CHECKPOINTS).join(name)).unwrap();
    }
    for seed in 0..20 {
        let world = from_savepoint(&world, "/second");
        // Killed and started again with the same command, it goes on with the history it began.
        let crashes = Crashes::Times(seed as u32 % 4);
        simulate(&Scenario { crashes, ..world.scenario() }, seed).unwrap();
        world.disk.restart();
        world.compare().unwrap();
    }
}

#[test]
fn the_output_goes_back_to_where_the_savepoint_was_made() {
    let (world, _) = saved();
    simulate(&world.scenario(), 1).unwrap();
    world.compare().unwrap();
    let second = from_savepoint(&world, "/second");
    simulate(&second.scenario(), 2).unwrap();
    second.compare().unwrap();
}

#[test]
fn a_savepoint_is_not_mixed_with_another_history() {
    let (world, _) = saved();
    let mut mixed = from_savepoint(&world, CHECKPOINTS);
    let error = refused(&mixed);
    assert_eq!(error.kind, ErrorKind::Configuration);
    assert!(error.to_string().contains("did not begin with this savepoint"), "{error}");
    mixed.config.fresh = true;
    simulate(&mixed.scenario(), 1).unwrap();
    mixed.compare().unwrap();
}

#[test]
fn a_damaged_savepoint_is_refused_by_its_file() {
    let (world, _) = saved();
    for name in world.disk.list(Path::new(SAVEPOINT)).unwrap() {
        let world = from_savepoint(&world, "/second");
        world.disk.tamper(&Path::new(SAVEPOINT).join(&name), |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 4;
        });
        let error = refused(&world);
        assert!(
            error.kind == ErrorKind::Checkpoint && error.to_string().contains(&name),
            "{error}"
        );
    }
}

#[test]
fn what_is_no_savepoint_of_the_job_is_refused() {
    let (world, _) = saved();
    let mut other = from_savepoint(&world, "/second");
    other.config.from = Some(folder(&other, "/nowhere"));
    assert!(refused(&other).to_string().contains("/nowhere holds no savepoint"));
    other.config.from = Some(folder(&other, CHECKPOINTS));
    assert!(refused(&other).to_string().contains("is the checkpoints of a job"));
    let mut renamed = from_savepoint(&world, "/second");
    renamed.config = JobConfig { name: "means".to_owned(), ..renamed.config };
    assert!(refused(&renamed).to_string().contains("of job `sums`, not `means`"));
}

#[test]
fn a_savepoint_is_made_of_the_named_job_into_an_empty_folder() {
    let (world, _) = saved();
    let refused = |from: &str, job: &str, to: &str| {
        let error = save(&folder(&world, from), job, &folder(&world, to)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Configuration);
        assert!(error.hint.is_some());
        error.to_string()
    };
    assert!(refused(CHECKPOINTS, "sums", SAVEPOINT).contains("/savepoint is not empty"));
    assert!(refused(CHECKPOINTS, "means", "/third").contains("is of job `sums`"));
    assert!(refused("/nowhere", "sums", "/third").contains("/nowhere holds no checkpoint"));
}
