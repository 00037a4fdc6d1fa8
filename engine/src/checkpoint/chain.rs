//! Reads the files behind a manifest back, each verified against the manifest.

use super::folder::{Folder, check_name};
use super::manifest::{Manifest, SegmentRef, StagedRef};
use super::segment::{Segment, file_hash};
use crate::error::Result;
use crate::sabotage::{Sabotage, planted};
use crate::state::Entry;
use std::collections::BTreeMap;
use std::ops::Range;

/// Reads a segment and refuses it by name unless it is exactly what the manifest says.
///
/// # Errors
/// If it is missing, changed, cut, swapped or damaged.
pub fn read_segment(folder: &Folder, segment: &SegmentRef) -> Result<Segment> {
    let name = &segment.name;
    check_name(name)?;
    let bytes = folder.get(name)?;
    if planted(Sabotage::SegmentsUnbound) {
        return parse(folder, name, bytes);
    }
    if bytes.len() as u64 != segment.length {
        let (found, wanted) = (bytes.len(), segment.length);
        return Err(folder.refused(name, &format!("is {found} bytes long, should be {wanted}")));
    }
    if file_hash(&bytes) != segment.hash {
        return Err(folder.refused(name, "is not the file that the manifest names"));
    }
    parse(folder, name, bytes)
}

/// Checks that every file a checkpoint needs is there and sound, one at a time.
///
/// # Errors
/// If one is not, by its name.
pub fn verify(folder: &Folder, manifest: &Manifest) -> Result<()> {
    let mut owed: BTreeMap<&str, Vec<&StagedRef>> = BTreeMap::new();
    for staged in &manifest.staged {
        owed.entry(&staged.segment).or_default().push(staged);
    }
    for segment_ref in &manifest.segments {
        let segment = read_segment(folder, segment_ref)?;
        let staged = owed.remove(segment_ref.name.as_str());
        check_owed(folder, &segment, staged.as_deref().unwrap_or_default())?;
    }
    for (name, staged) in owed {
        check_name(name)?;
        let segment = parse(folder, name, folder.get(name)?)?;
        check_owed(folder, &segment, &staged)?;
    }
    Ok(())
}

fn parse(folder: &Folder, name: &str, bytes: Vec<u8>) -> Result<Segment> {
    Segment::parse(bytes).map_err(|error| folder.refused(name, &format!("is {error}")))
}

fn check_owed(folder: &Folder, segment: &Segment, owed: &[&StagedRef]) -> Result<()> {
    match owed.iter().find(|staged| !segment.holds(staged)) {
        None => Ok(()),
        Some(staged) => {
            let what = format!("does not hold the rows owed to sink `{}`", staged.sink);
            Err(folder.refused(&staged.segment, &what))
        }
    }
}

/// Hands the entries of the chain to `apply`, oldest first: of each section those whose key groups
/// lie in what `share` says.
///
/// # Errors
/// If a file is not sound or `apply` refuses an entry.
pub fn restore(
    folder: &Folder,
    manifest: &Manifest,
    share: impl Fn(&str) -> Range<u16>,
    mut apply: impl FnMut(&str, &[Entry<'_>]) -> Result<()>,
) -> Result<()> {
    for segment_ref in &manifest.segments {
        let segment = read_segment(folder, segment_ref)?;
        for section in segment.sections() {
            apply(section, &segment.entries(section, share(section))?)
                .map_err(|error| error.at(format!("{}: {section}", segment_ref.name)))?;
        }
    }
    Ok(())
}
