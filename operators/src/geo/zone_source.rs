//! The zones in force, which may be replaced while a job runs.

use super::zone_file::{ZoneFile, ZoneFiles};
use super::zone_view::ZoneView;
use super::zones::{ZoneSettings, Zones};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use waystream_engine::error::Result;
use waystream_engine::spec::Views;
use waystream_engine::time::Timestamp;

/// The zones in force, shared by all workers of a process and whoever replaces them.
///
/// **When other zones count.** [`replace`](Self::replace) counts from the next event that each
/// worker takes. Zones of a [`file`](Self::file) are looked at once a second of processing time, as
/// long as events come; if the file's modification time or length is another, it is read beside the
/// workers, and counts when it has been read. A file that cannot be read, holds no zones or, with
/// [`strict`](ZoneSettings::strict), has defects, is warned about, and the zones in force stay until
/// it changes again.
///
/// **What changes.** Nothing by itself: each key meets the other zones with its next event (see
/// [`geofence`](crate::Keyed::geofence)). A zone that is gone is left with that event.
///
/// **After a restart.** The zones are no part of a checkpoint; the names of those that each key is
/// inside are. The job starts with the zones that there are then, and events behind the last
/// checkpoint, which are read again, meet those. What was committed stays. So crossings follow from
/// the input alone as long as the zones are not replaced; when they are replaced on the clock,
/// which event is the first to meet them does not.
#[derive(Clone, Debug)]
pub struct ZoneSource(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    version: AtomicU64,
    zones: RwLock<Arc<Zones>>,
    file: Option<ZoneFile>,
    views: Mutex<Vec<ZoneView>>,
}

impl ZoneSource {
    /// Zones that stay in force until they are replaced.
    #[must_use]
    pub fn new(zones: Zones) -> Self {
        Self::of(zones, None)
    }

    /// The zones of a GeoJSON file, as it changes. A job rather asks [`Flow::zones`], which reads
    /// the file once for all workers.
    ///
    /// # Errors
    /// If the file cannot be read or holds no zones.
    ///
    /// [`Flow::zones`]: crate::Flow::zones
    pub fn file(path: impl AsRef<Path>, settings: ZoneSettings) -> Result<Self> {
        let (file, zones) = ZoneFile::open(path.as_ref(), settings)?;
        Ok(Self::of(zones, Some(file)))
    }

    fn of(zones: Zones, file: Option<ZoneFile>) -> Self {
        let zones = RwLock::new(Arc::new(zones));
        Self(Arc::new(Shared { version: AtomicU64::new(0), zones, file, views: Mutex::default() }))
    }

    /// Puts other zones in force.
    pub fn replace(&self, zones: Zones) {
        *self.0.zones.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(zones);
        self.0.version.fetch_add(1, Release);
        let mut views = self.0.views.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock: of two who replace at once, the later is shown last.
        let zones = self.current();
        views.retain(ZoneView::is_of_a_run);
        views.iter_mut().for_each(|view| view.show(&zones));
    }

    /// Shows the zones in force from now on, as long as the run of the job lasts that `files`
    /// belongs to. A view that the run shows already stays; those of runs that are over are let go.
    pub(super) fn show(&self, files: &ZoneFiles, views: Arc<dyn Views>, name: &str) {
        let mut shown = self.0.views.lock().unwrap_or_else(PoisonError::into_inner);
        shown.retain(ZoneView::is_of_a_run);
        let mut view = ZoneView::new(files.run(), views, name);
        if !shown.iter().any(|other| other.is_same(&view)) {
            view.show(&self.current());
            shown.push(view);
        }
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

    /// Has the file read if it is time to look at it and it has changed.
    fn look(&self, now: Timestamp) {
        let Some(file) = &self.0.file else { return };
        if !file.is_due(now) || !file.take_change() {
            return;
        }
        let source = self.clone();
        let read = move || {
            let file = source.0.file.as_ref();
            file.into_iter().for_each(|file| file.read_change(|zones| source.replace(zones)));
        };
        let thread = std::thread::Builder::new().name("zones".to_owned());
        if let Err(error) = thread.spawn(read) {
            tracing::warn!(%error, "no thread to read zones on: the zones in force stay");
            file.leave_change();
        }
    }
}

#[cfg(test)]
impl ZoneSource {
    /// The file, if the zones are those of one.
    pub(super) fn watched(&self) -> Option<&ZoneFile> {
        self.0.file.as_ref()
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

    pub(super) fn current(&mut self, now: Timestamp) -> &Zones {
        self.source.look(now);
        let version = self.source.version();
        if version != self.version {
            self.version = version;
            self.zones = self.source.current();
        }
        &self.zones
    }
}
