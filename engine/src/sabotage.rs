//! Bugs that can be planted on purpose, to see that the tests catch them. Nothing of this is
//! compiled in unless the feature `sabotage` is on.

/// A bug that breaks exactly-once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Source positions of an epoch miss records that were read after it, or hold too many.
    OffsetsEarly,
    /// Segments are reported durable without being synced.
    ManifestBeforeFiles,
    /// Deadlines are forgotten on restore.
    TimersNotRestored,
    /// Records of the next epoch that wait at an operator are dropped when the epoch closes.
    QueueLost,
    /// Sinks commit before the manifest.
    SinkBeforeManifest,
    /// The last segment of the chain is not applied on restore.
    StateOfOlderEpoch,
    /// A partition's watermark is restored too far ahead.
    WatermarkAhead,
    /// Rows that are owed are paid again after a restart.
    PaidTwice,
    /// What is ready before the first turn is counted in an epoch of an earlier run.
    EpochOfEarlierRun,
    /// Segments are taken for those that a manifest names, whatever is in them.
    SegmentsUnbound,
    /// Blocks of segments are used without a look at their checksums.
    ChecksumsIgnored,
    /// A process that is asked to stop ends its sources before process 0 knows of it.
    StopDecidedApart,
    /// All processes but the first restore a checkpoint without its last segment.
    OthersRestoreOlder,
}

#[cfg(feature = "sabotage")]
mod active {
    use super::Sabotage;
    use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

    static PLANTED: AtomicU8 = AtomicU8::new(0);

    /// Plants a bug in this process, or takes it out.
    pub fn plant(bug: Option<Sabotage>) {
        PLANTED.store(bug.map_or(0, |bug| bug as u8 + 1), SeqCst);
    }

    pub(crate) fn planted(bug: Sabotage) -> bool {
        PLANTED.load(SeqCst) == bug as u8 + 1
    }
}

#[cfg(feature = "sabotage")]
pub use active::plant;
#[cfg(feature = "sabotage")]
pub(crate) use active::planted;

#[cfg(not(feature = "sabotage"))]
pub(crate) const fn planted(_: Sabotage) -> bool {
    false
}

/// Runs a sync, unless the planted bug is to skip it.
pub(crate) fn unless_skipping_sync(
    sync: impl FnOnce() -> std::io::Result<()>,
) -> std::io::Result<()> {
    if planted(Sabotage::ManifestBeforeFiles) { Ok(()) } else { sync() }
}
