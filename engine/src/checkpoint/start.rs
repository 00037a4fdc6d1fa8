//! What a job starts from: its newest checkpoint, an older one if that was asked for, a savepoint,
//! or nothing. Everything is checked before anything in the folder changes.

use super::catalog::{Catalog, Fallback, Found};
use super::fits::check_fits;
use super::folder::Folder;
use super::manifest::{Manifest, PlannedStage};
use super::savepoint::{fetch, savepoint_in};
use crate::error::{JobError, Result};
use crate::time::Epoch;
use std::collections::BTreeMap;

/// A job as it is declared now.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) job: String,
    pub(crate) stages: Vec<PlannedStage>,
    /// Kinds of sinks by name.
    pub(crate) sinks: BTreeMap<String, String>,
    /// The name of the history that begins if nothing is gone on with.
    pub(crate) history: String,
}

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    pub(crate) fresh: bool,
    pub(crate) fallback: Fallback,
    pub(crate) savepoint: Option<Folder>,
}

/// Finds what the job goes on from; the manifest is not claimed yet. What the user should know is
/// handed to `tell`.
///
/// # Errors
/// If it is damaged, does not fit the job, or is not what was asked for.
pub(crate) fn start(
    catalog: &Catalog,
    wanted: &Start,
    planned: &Planned,
    tell: &dyn Fn(&str),
) -> Result<Manifest> {
    let found = if wanted.fresh { None } else { catalog.latest(wanted.fallback)? };
    let found = found.filter(has_begun);
    let base = match (&wanted.savepoint, found) {
        (None, None) => begun(Manifest::first(&planned.job), planned),
        (None, Some(found)) => {
            check_fits(&found.manifest, planned, &catalog.place_of(&found.manifest))?;
            tell_where_it_goes_on(&found, tell);
            found.manifest
        }
        (Some(savepoint), found) => from_savepoint(catalog, savepoint, found, planned, tell)?,
    };
    Ok(declared(base, planned))
}

/// Whether a checkpoint holds anything of a job. A start that failed, perhaps for a wrong path, left one
/// that does not, and must not bind the next.
fn has_begun(found: &Found) -> bool {
    let manifest = &found.manifest;
    manifest.epoch > Epoch(0) || manifest.savepoint.is_some() || !found.given_up.is_empty()
}

/// The base of a history that begins with a savepoint, or goes on if it has begun with this one.
fn from_savepoint(
    catalog: &Catalog,
    savepoint: &Folder,
    found: Option<Found>,
    planned: &Planned,
    tell: &dyn Fn(&str),
) -> Result<Manifest> {
    let (manifest, hash) = savepoint_in(savepoint)?;
    match found {
        Some(found) if found.manifest.savepoint.as_ref() == Some(&hash) => {
            check_fits(&found.manifest, planned, &catalog.place_of(&found.manifest))?;
            tell_where_it_goes_on(&found, tell);
            Ok(found.manifest)
        }
        Some(found) => {
            let (place, epoch) = (catalog.folder().path().display(), found.manifest.epoch);
            Err(JobError::configuration(format!(
                "{place} holds checkpoints up to epoch {epoch} that did not begin with this savepoint"
            ))
            .hint("name an empty folder with --checkpoints, or give them up with --fresh"))
        }
        None => {
            check_fits(&manifest, planned, &savepoint.path().display().to_string())?;
            let (place, epoch) = (savepoint.path().display(), manifest.epoch);
            tell(&format!("beginning a history from the savepoint {place}, epoch {epoch}"));
            Ok(begun(fetch(savepoint, manifest, hash, catalog.folder())?, planned))
        }
    }
}

/// The base of a history that begins now.
fn begun(mut base: Manifest, planned: &Planned) -> Manifest {
    base.lineage.push(planned.history.clone());
    base
}

/// The checkpoint under the stages and sinks of the job as it is now.
fn declared(base: Manifest, planned: &Planned) -> Manifest {
    // A sink that has no place now keeps its kind with its position.
    let mut sinks = base.sinks.clone();
    sinks.extend(planned.sinks.clone());
    Manifest { stages: planned.stages.clone(), sinks, ..base }
}

fn tell_where_it_goes_on(found: &Found, tell: &dyn Fn(&str)) {
    let epoch = found.manifest.epoch;
    if found.given_up.is_empty() && !found.manifest.finished {
        tell(&format!("going on from the checkpoint of epoch {epoch}"));
    }
    for given_up in &found.given_up {
        tell(&format!("gave up a checkpoint: {}", given_up.error));
    }
    if found.given_up.is_empty() {
        return;
    }
    // One whose manifest cannot be read may be of any later epoch.
    let epochs: Option<Vec<Epoch>> = found.given_up.iter().map(|given_up| given_up.epoch).collect();
    let dropped = match epochs.and_then(|epochs| epochs.into_iter().max()) {
        Some(newest) if newest > epoch => format!("epochs {} to {newest}", Epoch(epoch.0 + 1)),
        Some(_) => "no epoch".to_owned(),
        None => format!("every epoch after {epoch}"),
    };
    tell(&format!(
        "going on from epoch {epoch}; dropped: {dropped}. Their input is read again, and sinks \
         take back their rows before they write them anew"
    ));
}
