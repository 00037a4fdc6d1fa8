//! Which manifest is the newest, which are kept, and which are never used again.

use super::*;
use crate::checkpoint::{Disk, SegmentRef};
use crate::simulation::SimulatedDisk;
use std::path::Path;
use std::sync::Arc;

fn catalog(disk: &SimulatedDisk) -> Catalog {
    Catalog::new(Folder::open(Arc::new(disk.clone()), "/checkpoints").unwrap())
}

fn manifest(sequence: u64, follows: u64, epoch: u64) -> Manifest {
    Manifest { sequence, follows, epoch: Epoch(epoch), generation: 1, ..Manifest::first("job") }
}

/// A manifest whose segment is not there.
fn without_segment(manifest: Manifest) -> Manifest {
    let (name, hash) = ("g1-e9-w0.segment".to_owned(), String::new());
    let segments = vec![SegmentRef { name, length: 1, hash, epoch: manifest.epoch, tier: 0 }];
    Manifest { segments, ..manifest }
}

fn kept(catalog: &Catalog) -> Vec<u64> {
    let epoch = |sequence: &u64| catalog.read(*sequence).unwrap().epoch.0;
    catalog.sequences().unwrap().iter().map(epoch).collect()
}

#[test]
fn what_was_given_up_once_is_never_used_again() {
    let mut catalog = catalog(&SimulatedDisk::new());
    assert!(catalog.put(&manifest(1, 0, 1)).unwrap());
    assert!(catalog.put(&manifest(2, 1, 2)).unwrap());
    // Went on from 1 after a fallback; a power cut brought 2 back.
    assert!(catalog.put(&without_segment(manifest(3, 1, 1))).unwrap());
    assert!(catalog.latest(Fallback::Refuse).unwrap_err().what.contains("g1-e9-w0.segment"));
    let found = catalog.latest(Fallback::Older).unwrap().unwrap();
    assert_eq!((found.manifest.sequence, found.given_up.len()), (1, 1));
    catalog.claim(&found.manifest).unwrap();
    assert_eq!(catalog.sequences().unwrap(), [1, 4]);
}

#[test]
fn starts_that_come_to_nothing_push_no_epoch_out() {
    let disk = SimulatedDisk::new();
    for sequence in 1..=6 {
        assert!(catalog(&disk).put(&manifest(sequence, sequence - 1, sequence)).unwrap());
    }
    for start in 0..20 {
        let mut catalog = catalog(&disk);
        let found = catalog.latest(Fallback::Refuse).unwrap().unwrap();
        let mut claimed = catalog.claim(&found.manifest).unwrap();
        // Some ends at once, with a manifest of the same epoch.
        if start % 3 == 0 {
            claimed.sequence += 1;
            catalog.add(&mut claimed).unwrap();
        }
        assert_eq!(BTreeSet::from_iter(kept(&catalog)), BTreeSet::from([3, 4, 5, 6]));
        assert!(kept(&catalog).len() <= 6);
    }
}

#[test]
fn a_job_that_begins_anew_never_falls_back_to_what_was_before() {
    let disk = SimulatedDisk::new();
    assert!(catalog(&disk).put(&manifest(1, 0, 5)).unwrap());
    assert!(catalog(&disk).put(&without_segment(manifest(2, 0, 1))).unwrap());
    let error = catalog(&disk).latest(Fallback::Older).unwrap_err();
    assert_eq!(error.hint.unwrap(), "no older checkpoint is sound: start anew with --fresh");
}

#[test]
fn a_generation_is_beyond_that_of_any_file() {
    let disk = SimulatedDisk::new();
    assert!(catalog(&disk).put(&manifest(1, 0, 1)).unwrap());
    disk.tamper(Path::new("/checkpoints/manifest-0000000001.json"), |bytes| bytes[40] ^= 1);
    disk.write(Path::new("/checkpoints/g7-e3-w0.segment"), &[]).unwrap();
    let claimed = catalog(&disk).claim(&Manifest::first("job")).unwrap();
    assert_eq!((claimed.sequence, claimed.generation), (2, 8));
}

#[test]
fn the_largest_number_is_an_error() {
    let disk = SimulatedDisk::new();
    let name = Manifest::file_name(u64::MAX);
    disk.write(&Path::new("/checkpoints").join(&name), &[]).unwrap();
    assert!(catalog(&disk).latest(Fallback::Older).unwrap_err().what.contains(&name));
    let error = catalog(&disk).claim(&Manifest::first("job")).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Checkpoint);
}
