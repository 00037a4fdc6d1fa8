//! Merges neighbouring segments of a chain into one: of each key the latest entry stays.

use super::segment::{Segment, SegmentBytes, SegmentWriter};
use crate::error::Result;
use crate::key::KEY_GROUPS;
use crate::state::{Entries, Entry};
use std::collections::{BTreeSet, HashMap};

/// Merges segments given oldest first. Removals are dropped if nothing older is left beneath.
///
/// # Errors
/// If a segment is not made of whole entries.
pub fn merge(segments: &[Segment], is_oldest: bool) -> Result<SegmentBytes> {
    let names: BTreeSet<&str> = segments.iter().flat_map(Segment::sections).collect();
    let mut writer = SegmentWriter::default();
    for name in names {
        let mut merged = Entries::default();
        for group in 0..KEY_GROUPS {
            let mut latest: HashMap<&[u8], Entry<'_>> = HashMap::new();
            let mut order = Vec::new();
            for segment in segments {
                for entry in segment.entries(name, group..group + 1)? {
                    if latest.insert(entry.key, entry).is_none() {
                        order.push(entry.key);
                    }
                }
            }
            for key in order {
                let entry = latest[key];
                if entry.value.is_some() || !is_oldest {
                    merged.push(entry)?;
                }
            }
        }
        writer.section(name, &merged);
    }
    writer.finish()
}
