//! Reads the chain of segments behind a manifest back, each verified against the manifest.

use super::folder::{Folder, check_name};
use super::manifest::{Manifest, SegmentRef};
use super::segment::{Segment, file_hash};
use crate::error::{JobError, Result};
use std::ops::Range;

/// Reads a segment and refuses it by name unless it is exactly what the manifest says.
///
/// # Errors
/// If it is missing, changed, cut, swapped or damaged.
pub fn read_segment(folder: &Folder, segment: &SegmentRef) -> Result<Segment> {
    let name = &segment.name;
    check_name(name)?;
    let path = folder.path().join(name);
    let refused = |what: String| {
        JobError::checkpoint(format!("checkpoint file {}: {what}", path.display())).hint(
            "restore the file, start from an older checkpoint with --from, or anew with --fresh",
        )
    };
    let bytes = folder.get(name).map_err(|error| refused(error.to_string()))?;
    if bytes.len() as u64 != segment.length {
        let (found, wanted) = (bytes.len(), segment.length);
        return Err(refused(format!("{found} bytes long, should be {wanted}")));
    }
    if file_hash(&bytes) != segment.hash {
        return Err(refused("its contents are not what the manifest says".to_owned()));
    }
    Segment::parse(bytes).map_err(|error| refused(error.to_string()))
}

/// Hands every entry of the chain whose key group lies in `groups` to `apply`, oldest first.
///
/// # Errors
/// If a file is not sound or `apply` refuses an entry.
pub fn restore(
    folder: &Folder,
    manifest: &Manifest,
    groups: &Range<u16>,
    mut apply: impl FnMut(&str, &[u8], Option<&[u8]>) -> Result<()>,
) -> Result<()> {
    for segment_ref in &manifest.segments {
        let segment = read_segment(folder, segment_ref)?;
        for section in segment.sections() {
            for entry in segment.entries(section, groups.clone())? {
                apply(section, entry.key, entry.value)
                    .map_err(|error| error.at(format!("{}: {section}", segment_ref.name)))?;
            }
        }
    }
    Ok(())
}
