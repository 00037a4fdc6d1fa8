//! Checkpoints: one segment per epoch and worker, a manifest that makes an epoch count, and the
//! chain of segments that a job is restored from.

mod catalog;
mod chain;
mod disk;
mod fits;
mod folder;
mod ledger;
mod manifest;
mod merge;
mod owing;
mod pay;
mod savepoint;
mod segment;
mod start;

pub use catalog::{Catalog, Fallback, Found, GivenUp};
pub use chain::{read_segment, restore, verify};
pub use disk::{Disk, DiskLock, LocalDisk, make_durable_dir};
pub use folder::Folder;
pub(crate) use ledger::{Ledger, LedgerMessage, LedgerReply, Written};
pub use manifest::{Confirmed, Manifest, PlannedStage, SegmentRef, StagedRef};
pub use merge::merge;
pub(crate) use pay::Payer;
pub use savepoint::{Saved, save};
pub use segment::{Segment, SegmentBytes, SegmentWriter, file_hash};
pub(crate) use start::{Planned, Start, start};
