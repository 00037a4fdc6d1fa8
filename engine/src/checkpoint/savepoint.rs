//! Savepoints: a checkpoint that was asked for, in a folder of its own that nothing else is in.
//!
//! It has the form of a checkpoint folder with one manifest: all state merged into one segment, and
//! the segments that hold rows sinks still owe.

use super::catalog::{Catalog, Fallback};
use super::chain::read_segment;
use super::folder::Folder;
use super::manifest::Manifest;
use super::merge::merge;
use super::segment::file_hash;
use crate::error::{JobError, Result};
use crate::time::Epoch;
use std::collections::BTreeMap;

/// The only manifest of a savepoint.
const SEQUENCE: u64 = 1;
/// The tier of a savepoint's state: nothing is merged into it before it is the oldest of many.
const TIER: u8 = 12;

/// What a savepoint holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The last epoch in it.
    pub epoch: Epoch,
    /// Rows that sinks still owe.
    pub owed_rows: u64,
    /// Bytes of all files but the manifest.
    pub bytes: u64,
}

/// Copies the newest checkpoint of a stopped job into an empty folder.
///
/// # Errors
/// If the job runs, its newest checkpoint is damaged or another job's, or the folder is not empty.
pub fn save(checkpoints: &Folder, job: &str, to: &Folder) -> Result<Saved> {
    let place = checkpoints.path().display();
    let catalog = Catalog::new(checkpoints.clone());
    let nothing = || {
        JobError::configuration(format!("{place} holds no checkpoint"))
            .hint("name the folder of a job that has run with --checkpoints")
    };
    if catalog.is_empty()? {
        return Err(nothing());
    }
    let _lock = checkpoints.lock()?;
    let manifest = catalog.latest(Fallback::Refuse)?.ok_or_else(nothing)?.manifest;
    if manifest.job != job {
        let what = format!("{} is of job `{}`", catalog.place_of(&manifest), manifest.job);
        return Err(JobError::configuration(what).hint("name that job, or another folder"));
    }
    if !to.list()?.is_empty() {
        let what = format!("{} is not empty", to.path().display());
        return Err(JobError::configuration(what).hint("name a new folder with --to"));
    }
    let mut bytes = 0;
    let mut saved = Manifest { sequence: SEQUENCE, follows: 0, savepoint: None, ..manifest };
    if !saved.segments.is_empty() {
        let state: Result<Vec<_>> =
            saved.segments.iter().map(|segment| read_segment(checkpoints, segment)).collect();
        let state = merge(&state?, true)?;
        let name = format!("g0-e{}-state.segment", saved.epoch);
        to.put(&name, state.slices())?;
        bytes += state.length;
        saved.segments = vec![state.named(name, saved.epoch, TIER)];
    }
    bytes += copy_owed(checkpoints, to, &mut saved, "g0")?;
    to.put_new(&Manifest::file_name(SEQUENCE), &saved.encode()?)?;
    let owed_rows = saved.staged.iter().map(|staged| staged.rows).sum();
    Ok(Saved { epoch: saved.epoch, owed_rows, bytes })
}

/// Reads and checks the savepoint in a folder; returns it with the hash it is known by.
pub(super) fn savepoint_in(folder: &Folder) -> Result<(Manifest, String)> {
    let hint = "name the folder of another savepoint with --from, or leave --from out";
    let found = Catalog::new(folder.clone()).latest(Fallback::Refuse);
    let found = found.map_err(|error| error.hint(hint))?;
    match found.map(|found| found.manifest) {
        Some(manifest) if manifest.sequence == SEQUENCE => {
            let hash = file_hash(&manifest.encode()?);
            Ok((manifest, hash))
        }
        Some(_) => {
            let what = format!("{} is the checkpoints of a job", folder.path().display());
            Err(JobError::configuration(what)
                .hint("make a savepoint of it with `waystream savepoint`"))
        }
        None => {
            let what = format!("{} holds no savepoint", folder.path().display());
            Err(JobError::configuration(what).hint(hint))
        }
    }
}

/// Copies a savepoint's files into a job's folder; the manifest that comes back begins a history.
/// Until that is claimed nothing names the copies, so they are of no generation.
pub(super) fn fetch(
    from: &Folder,
    savepoint: Manifest,
    hash: String,
    to: &Folder,
) -> Result<Manifest> {
    let prefix = format!("g0-{hash}");
    let mut base = Manifest { sequence: 0, savepoint: Some(hash), ..savepoint };
    for segment in &mut base.segments {
        let name = format!("{prefix}-state.segment");
        to.put(&name, [from.get(&segment.name)?.as_slice()])?;
        segment.name = name;
    }
    copy_owed(from, to, &mut base, &prefix)?;
    Ok(base)
}

/// Copies the files that hold owed rows under names of their own; returns their bytes.
fn copy_owed(from: &Folder, to: &Folder, manifest: &mut Manifest, prefix: &str) -> Result<u64> {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut bytes = 0;
    for staged in &mut manifest.staged {
        if !names.contains_key(&staged.segment) {
            let name = format!("{prefix}-owed{}.segment", names.len());
            let file = from.get(&staged.segment)?;
            bytes += file.len() as u64;
            to.put(&name, [file.as_slice()])?;
            names.insert(staged.segment.clone(), name);
        }
        staged.segment.clone_from(&names[&staged.segment]);
    }
    Ok(bytes)
}
