//! A handle on the zones in force, to replace them while a job runs.

use super::zones::Zones;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, PoisonError, RwLock};

/// The zones in force, shared by all workers of a process and whoever replaces them.
///
/// A replacement counts from each key's next event on. It is no part of a checkpoint: after a
/// restart, events that are replayed meet the zones in force then.
#[derive(Clone, Debug)]
pub struct ZoneSource(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    version: AtomicU64,
    zones: RwLock<Arc<Zones>>,
}

impl ZoneSource {
    /// A handle on these zones.
    #[must_use]
    pub fn new(zones: Zones) -> Self {
        let zones = RwLock::new(Arc::new(zones));
        Self(Arc::new(Shared { version: AtomicU64::new(0), zones }))
    }

    /// Puts other zones in force.
    pub fn replace(&self, zones: Zones) {
        *self.0.zones.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(zones);
        self.0.version.fetch_add(1, Release);
    }

    /// The zones in force.
    #[must_use]
    pub fn current(&self) -> Arc<Zones> {
        Arc::clone(&self.0.zones.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often they have been replaced.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.0.version.load(Acquire)
    }
}

impl From<Zones> for ZoneSource {
    fn from(zones: Zones) -> Self {
        Self::new(zones)
    }
}

/// The zones in force as one reader last saw them; looking again is one load if nothing changed.
#[derive(Debug)]
pub(super) struct ZonesSeen {
    source: ZoneSource,
    version: u64,
    zones: Arc<Zones>,
}

impl ZonesSeen {
    pub(super) fn new(source: ZoneSource) -> Self {
        let (version, zones) = (source.version(), source.current());
        Self { source, version, zones }
    }

    pub(super) fn current(&mut self) -> &Zones {
        let version = self.source.version();
        if version != self.version {
            self.version = version;
            self.zones = self.source.current();
        }
        &self.zones
    }
}
