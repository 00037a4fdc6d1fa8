//! A file of zones: read once for all workers of a process, and again when it changes.

use super::zone_source::ZoneSource;
use super::zones::{ZoneSettings, Zones};
use crate::flow::Flow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;
use waystream_engine::error::{JobError, Result, way_out};
use waystream_engine::time::Timestamp;

impl Flow {
    /// The zones of a GeoJSON file, which may be changed while the job runs: see [`ZoneSource`] for
    /// when a change counts. The file is read when the job is declared; one that cannot be read, is
    /// no ordinary file, is longer than 128 MiB, or holds no zones, refuses the job.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use waystream_operators::{
    ///     Crossing, EventTime, Flow, Located, Position, TestJob, Timestamp, Unset, ZoneSettings,
    /// };
    ///
    /// #[derive(Clone, Serialize, Deserialize)]
    /// struct Fix { at: i64, place: Position }
    /// impl Located for Fix { fn position(&self) -> Position { self.place } }
    ///
    /// let path = std::env::temp_dir().join("waystream-flow-zones.geojson");
    /// std::fs::write(&path, r#"{"type":"Polygon","coordinates":[[[0,0],[2,0],[2,2],[0,2],[0,0]]]}"#)?;
    /// let file = path.clone();
    /// let build = move |flow: &Flow| {
    ///     flow.source("fixes", Unset, EventTime::by(|fix: &Fix| Timestamp(fix.at)))
    ///         .key_by(|_| 1u8)
    ///         .geofence("zones", flow.zones(&file, ZoneSettings::default()))
    ///         .sink("crossings", Unset);
    /// };
    ///
    /// let fixes = [Fix { at: 0, place: Position::new(1.0, 1.0)? }];
    /// let crossings = TestJob::new(build).input("fixes", fixes).run()?;
    /// assert_eq!(crossings.output::<Crossing<Fix>>("crossings").len(), 1);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn zones(&self, path: impl AsRef<Path>, settings: ZoneSettings) -> ZoneSource {
        self.zone_files().open(path.as_ref(), settings).unwrap_or_else(|error| {
            self.refuse(error);
            ZoneSource::new(Zones::default())
        })
    }
}

/// The files of zones that a process has open. All its workers share one reading of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct ZoneFiles(Arc<OpenFiles>);

/// The files that one run of a job has open.
pub(super) type OpenFiles = Mutex<BTreeMap<(PathBuf, ZoneSettings), ZoneSource>>;

impl ZoneFiles {
    /// Which run of a job the files belong to; dead when it is over.
    pub(super) fn run(&self) -> Weak<OpenFiles> {
        Arc::downgrade(&self.0)
    }

    fn open(&self, path: &Path, settings: ZoneSettings) -> Result<ZoneSource> {
        let mut open = lock(&self.0);
        let name = (path.to_owned(), settings);
        if let Some(source) = open.get(&name) {
            return Ok(source.clone());
        }
        let source = ZoneSource::file(path, settings)?;
        open.insert(name, source.clone());
        Ok(source)
    }
}

/// How long a file may be. Two million positions of fifteen digits take two thirds of it.
const MAX_FILE_BYTES: u64 = 128 << 20;
/// How often a file is looked at, at most.
const LOOK_EVERY_MS: i64 = 1_000;

/// Where zones are read from, and what the file was when they were read last.
#[derive(Debug)]
pub(super) struct ZoneFile {
    path: PathBuf,
    settings: ZoneSettings,
    next_look_ms: AtomicI64,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    stamp: Option<Stamp>,
    /// Whether it is being read, on a thread of its own.
    is_read_now: bool,
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self { modified: metadata.modified().ok(), length: metadata.len() })
    }
}

impl ZoneFile {
    /// Looks at the file and reads it. The look comes first: what changes in between is seen later.
    pub(super) fn open(path: &Path, settings: ZoneSettings) -> Result<(Self, Zones)> {
        let seen = Mutex::new(Seen { stamp: Stamp::of(path), is_read_now: false });
        let path = path.to_owned();
        let file = Self { path, settings, next_look_ms: AtomicI64::new(0), seen };
        let zones = file.read()?;
        Ok((file, zones))
    }

    /// Whether it is time to look, for one caller of each time.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let due_ms = self.next_look_ms.load(Relaxed);
        let next_ms = now.0.saturating_add(LOOK_EVERY_MS);
        let clock_went_back = now.0 < due_ms.saturating_sub(2 * LOOK_EVERY_MS);
        (now.0 >= due_ms || clock_went_back)
            && self.next_look_ms.compare_exchange(due_ms, next_ms, Relaxed, Relaxed).is_ok()
    }

    /// Whether the file is another than was read last; if so, the caller reads it.
    pub(super) fn take_change(&self) -> bool {
        let mut seen = lock(&self.seen);
        if seen.is_read_now {
            return false;
        }
        let stamp = Stamp::of(&self.path);
        seen.is_read_now = seen.stamp != stamp;
        seen.stamp = stamp;
        seen.is_read_now
    }

    /// Reads what [`Self::take_change`] saw and puts it in force, or says why it cannot be.
    pub(super) fn read_change(&self, replace: impl FnOnce(Zones)) {
        match self.read() {
            Ok(zones) => {
                tracing::info!(file = %self.path.display(), zones = zones.len(), "other zones");
                replace(zones);
            }
            Err(error) => {
                let hint = error.hint.as_deref().unwrap_or_default();
                tracing::warn!(%error, hint, "the zones in force stay");
            }
        }
        lock(&self.seen).is_read_now = false;
    }

    /// Takes back what [`Self::take_change`] said, so that the next look says it again.
    pub(super) fn leave_change(&self) {
        *lock(&self.seen) = Seen { stamp: None, is_read_now: false };
    }

    fn read(&self) -> Result<Zones> {
        let at = |error: JobError| error.at(format!("zones {}", self.path.display()));
        let text = text_of(&self.path).map_err(at)?;
        let zones = Zones::from_geojson_with(&text, self.settings).map_err(|e| at(e.into()))?;
        for defect in zones.defects() {
            let (zone, feature, kind) = (&defect.zone, defect.feature, defect.kind);
            tracing::warn!(%zone, feature, %kind, "no valid polygon: the even-odd rule decides");
        }
        Ok(zones)
    }
}

/// The text of an ordinary file: a pipe might never begin, and a device never end.
fn text_of(path: &Path) -> Result<String> {
    let cannot = |error: io::Error| {
        let cannot = JobError::configuration("cannot read the file").caused_by(error);
        cannot.hint("give the path of a GeoJSON file that this user may read")
    };
    if !std::fs::metadata(path).map_err(cannot)?.is_file() {
        let error = io::ErrorKind::InvalidInput.into();
        return Err(JobError::configuration("this is no ordinary file").hint(way_out(&error)));
    }
    let mut bytes = Vec::new();
    let open = File::open(path).map_err(cannot)?;
    open.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let what = format!("the file has more than {} MiB", MAX_FILE_BYTES >> 20);
        return Err(JobError::configuration(what).hint(
            "simplify the polygons, and round them: seven decimals of a degree are a centimetre",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let error = error.utf8_error();
        JobError::configuration("the file is no text").hint("save it as UTF-8").caused_by(error)
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::zone_source::ZonesSeen;
    use expect_test::expect;

    /// A collection of unit squares with these names; the first may be a bow tie instead.
    fn text(names: &[&str], is_bow: bool) -> String {
        let ring = |bow: bool| match bow {
            true => "[[0,0],[1,1],[1,0],[0,1],[0,0]]",
            false => "[[0,0],[1,0],[1,1],[0,1],[0,0]]",
        };
        let features = names.iter().enumerate().map(|(number, name)| {
            let ring = ring(is_bow && number == 0);
            format!(
                r#"{{"type":"Feature","properties":{{"id":"{name}"}},"geometry":{{"type":"Polygon","coordinates":[{ring}]}}}}"#
            )
        });
        let features: Vec<_> = features.collect();
        format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","))
    }

    /// The names in force at a time, once what the look at that time set off has been read.
    fn names(seen: &mut ZonesSeen, file: &ZoneFile, now: i64) -> String {
        seen.current(Timestamp(now));
        while lock(&file.seen).is_read_now {
            std::thread::yield_now();
        }
        let zones = seen.current(Timestamp(now));
        format!("{now}: {:?}\n", zones.names().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn a_changed_file_counts_when_it_has_been_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zones.geojson");
        let write = |text: String| std::fs::write(&path, text).unwrap();
        write(text(&["a"], false));
        let source =
            ZoneSource::file(&path, ZoneSettings { strict: true, ..ZoneSettings::default() });
        let source = source.unwrap();
        let file = source.watched().unwrap();
        let mut seen = ZonesSeen::new(source.clone());
        let mut said = names(&mut seen, file, 5_000);
        write(text(&["a", "new"], false));
        said += &(names(&mut seen, file, 5_999) + &names(&mut seen, file, 6_000));
        said += &names(&mut seen, file, 7_000); // as it was: not read again
        assert_eq!(source.version(), 1);
        write("half of a fi".to_owned());
        said += &names(&mut seen, file, 8_000);
        write(text(&["bow"], true));
        said += &names(&mut seen, file, 9_000);
        File::create(&path).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        said += &names(&mut seen, file, 10_000);
        std::fs::remove_file(&path).unwrap();
        said += &names(&mut seen, file, 11_000);
        write(text(&["b", "c", "d"], false));
        said += &names(&mut seen, file, 12_000);
        write(text(&[], false));
        said += &names(&mut seen, file, 4_000); // the clock was put back
        expect![[r#"
            5000: ["a"]
            5999: ["a"]
            6000: ["a", "new"]
            7000: ["a", "new"]
            8000: ["a", "new"]
            9000: ["a", "new"]
            10000: ["a", "new"]
            11000: ["a", "new"]
            12000: ["b", "c", "d"]
            4000: []
        "#]]
        .assert_eq(&said);
        assert_eq!(source.version(), 3);
    }

    #[test]
    fn workers_share_one_reading_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zones.geojson");
        std::fs::write(&path, text(&["a"], false)).unwrap();
        let files = ZoneFiles::default();
        let open = || files.clone().open(&path, ZoneSettings::default()).unwrap();
        let (one, other) = (open(), open());
        one.replace(Zones::default());
        assert!(other.current().is_empty());
    }

    #[test]
    fn what_cannot_be_used_at_the_start_refuses_the_job() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zones.geojson");
        let strict = ZoneSettings { strict: true, ..ZoneSettings::default() };
        let said = |settings| {
            let error = ZoneSource::file(&path, settings).unwrap_err();
            let text = format!("{error}\n    {}\n", error.hint.as_deref().unwrap_or_default());
            text.replace(folder.path().to_str().unwrap(), "…")
        };
        let mut all = said(ZoneSettings::default());
        let mkfifo = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(mkfifo.success());
        all += &said(ZoneSettings::default());
        std::fs::remove_file(&path).unwrap();
        File::create(&path).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        all += &said(ZoneSettings::default());
        std::fs::write(&path, b"\xff\xfe{\0").unwrap();
        all += &said(ZoneSettings::default());
        std::fs::write(&path, "[]").unwrap();
        all += &said(ZoneSettings::default());
        std::fs::write(&path, text(&["bow", "a"], true)).unwrap();
        all += &said(strict);
        expect![[r#"
            zones …/zones.geojson: cannot read the file: No such file or directory (os error 2)
                give the path of a GeoJSON file that this user may read
            zones …/zones.geojson: this is no ordinary file
                name an ordinary file on a disk: a folder, a pipe, a device or /proc cannot do this
            zones …/zones.geojson: the file has more than 128 MiB
                simplify the polygons, and round them: seven decimals of a degree are a centimetre
            zones …/zones.geojson: the file is no text: invalid utf-8 sequence of 1 bytes from index 0
                save it as UTF-8
            zones …/zones.geojson: the zones are not GeoJSON: the root object has no `type`
                give a FeatureCollection of Polygons and MultiPolygons
            zones …/zones.geojson: not all zones are valid polygons: zone `bow` (feature 0): a ring crosses itself at latitude 0, longitude 0
                repair them (ST_MakeValid, shapely.make_valid), or do not be strict
        "#]]
        .assert_eq(&all);
        let counted = ZoneSource::file(&path, ZoneSettings::default()).unwrap().current();
        assert_eq!((counted.len(), counted.defects().len()), (2, 1));
    }
}
