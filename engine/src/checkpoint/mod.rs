//! Checkpoints: one segment per epoch and worker, a manifest that makes an epoch count, and the
//! chain of segments that a job is restored from.

mod catalog;
mod chain;
mod disk;
mod folder;
mod ledger;
mod manifest;
mod merge;
mod pay;
mod segment;

pub use catalog::{Catalog, Fallback};
pub use chain::{read_segment, restore};
pub use disk::{Disk, LocalDisk};
pub use folder::Folder;
pub(crate) use ledger::{Ledger, LedgerMessage, LedgerReply, Written, check_fits};
pub use manifest::{Confirmed, Manifest, PlannedStage, SegmentRef, StagedRef};
pub use merge::merge;
pub(crate) use pay::Payer;
pub use segment::{Segment, SegmentWriter, file_hash};
