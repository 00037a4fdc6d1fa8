//! A checkpoint folder with any file cut, flipped, gone, swapped, foreign or of another version:
//! the job refuses it by the file's name or, when asked to fall back, goes on from an older
//! checkpoint to the right answers.

use crate::job::{CHECKPOINTS, World};
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use waystream_engine::checkpoint::{Disk, Fallback, Manifest, SegmentRef, StagedRef, file_hash};
use waystream_engine::error::{ErrorKind, JobError};
use waystream_engine::job::JobConfig;
use waystream_engine::simulation::{Random, Scenario, SimulatedDisk, simulate};

/// Files of a folder worth changing.
const FEWEST_FILES: usize = 20;

/// Flips per file, the first and the last byte among them.
const FLIPS: u64 = 20;

/// A job that was killed, with the checkpoints it left behind.
pub(crate) struct Left {
    pub(crate) world: World,
    /// Manifests that can be used, newest first.
    manifests: Vec<Manifest>,
    files: Vec<String>,
}

/// One change to the folder: the new contents of a few files, or none where they are gone.
pub(crate) struct Tampering {
    what: String,
    files: Vec<(String, Option<Vec<u8>>)>,
}

impl fmt::Display for Tampering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

fn path_of(name: &str) -> PathBuf {
    Path::new(CHECKPOINTS).join(name)
}

fn manifests_on(disk: &SimulatedDisk) -> Vec<Manifest> {
    let names = disk.copy().list(Path::new(CHECKPOINTS)).unwrap();
    let manifests = names.iter().rev().filter(|name| Manifest::sequence_of(name).is_some());
    manifests.map(|name| Manifest::decode(&disk.peek(&path_of(name))).unwrap()).collect()
}

/// Whether a checkpoint has all there can be: merged state and state that is not, of both workers,
/// and rows owed to more than one sink, some in a segment that holds nothing else of use.
fn is_rich(manifest: &Manifest) -> bool {
    let has = |is: fn(&SegmentRef) -> bool| manifest.segments.iter().any(is);
    let is_apart = |staged: &StagedRef| manifest.segments.iter().all(|s| s.name != staged.segment);
    let sinks: BTreeSet<_> = manifest.staged.iter().map(|staged| &staged.sink).collect();
    (has(|segment| segment.tier > 0) && has(|segment| segment.tier == 0))
        && (has(|segment| segment.name.contains("-w1.")) && sinks.len() > 1)
        && manifest.staged.iter().any(is_apart)
}

impl Left {
    /// Kills a job on two workers when its newest checkpoint is rich; tries seeds until one is.
    pub(crate) fn behind() -> Self {
        (0..200).find_map(Self::behind_seed).expect("some seed has a rich checkpoint")
    }

    fn behind_seed(seed: u64) -> Option<Self> {
        let mut world = World::new(seed);
        world.config.checkpoint_every = std::time::Duration::from_millis(20);
        let metrics = world.config.metrics.clone();
        let caught: Arc<Mutex<Option<SimulatedDisk>>> = Arc::default();
        let (disk, keep) = (world.disk.clone(), Arc::clone(&caught));
        let scenario = Scenario {
            workers: vec![2],
            crash_now: Arc::new(move || {
                let written =
                    metrics.checkpoints.manifests.load(std::sync::atomic::Ordering::Relaxed);
                let mut caught = keep.lock().unwrap();
                if caught.is_some() || written < 12 {
                    return false;
                }
                let manifests = manifests_on(&disk);
                let rich = is_rich(&manifests[0]);
                if rich {
                    *caught = Some(disk.copy());
                }
                rich
            }),
            ..world.scenario()
        };
        simulate(&scenario, seed).unwrap();
        let disk = caught.lock().unwrap().take()?;
        world.disk = disk;
        let world = world.copy();
        let manifests = manifests_on(&world.disk);
        let files = world.disk.list(Path::new(CHECKPOINTS)).unwrap();
        (files.len() >= FEWEST_FILES).then_some(Self { world, manifests, files })
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        self.world.disk.peek(&path_of(name))
    }

    /// Whether a checkpoint needs one of the files that were changed.
    fn needs(manifest: &Manifest, tampering: &Tampering) -> bool {
        let own = Manifest::file_name(manifest.sequence);
        tampering.files.iter().any(|(name, _)| *name == own || manifest.files().any(|f| f == name))
    }

    /// Goes on from the folder as it was changed; returns what was told on the way.
    pub(crate) fn run(&self, tampering: &Tampering, fallback: Fallback) -> Result<String, Verdict> {
        let mut world = self.world.copy();
        for (name, bytes) in &tampering.files {
            match bytes {
                Some(bytes) => world.disk.write(&path_of(name), &[bytes]).unwrap(),
                None => world.disk.remove(&path_of(name)).unwrap(),
            }
        }
        let told: Arc<Mutex<String>> = Arc::default();
        let tell = Arc::clone(&told);
        world.config = JobConfig {
            fallback,
            tell: Arc::new(move |text| tell.lock().unwrap().push_str(&format!("{text}\n"))),
            ..world.config
        };
        simulate(&world.scenario(), 7).map_err(Verdict::Refused)?;
        world.compare().map_err(Verdict::Wrong)?;
        Ok(told.lock().unwrap().clone())
    }

    /// What must hold after one tampering; the error says what did not. Returns whether it was
    /// refused, and whether an older checkpoint did instead.
    fn check(&self, tampering: &Tampering, try_fallback: bool) -> Result<(bool, bool), String> {
        let (newest, older) = self.manifests.split_first().unwrap();
        let own = Manifest::file_name(newest.sequence);
        // A manifest that is gone leaves no trace: the checkpoint before it is whole.
        let is_newest_gone = tampering.files.iter().any(|(name, to)| *name == own && to.is_none());
        match self.run(tampering, Fallback::Refuse) {
            Err(Verdict::Wrong(what)) => return Err(format!("{tampering}: {what}")),
            Ok(_) if Self::needs(newest, tampering) && !is_newest_gone => {
                return Err(format!("{tampering}: was not seen"));
            }
            Ok(_) => return Ok((false, false)),
            Err(Verdict::Refused(error)) => Self::check_refusal(tampering, &error)?,
        }
        if !try_fallback {
            return Ok((true, false));
        }
        let has_sound = older.iter().any(|older| !Self::needs(older, tampering));
        match self.run(tampering, Fallback::Older) {
            Err(Verdict::Wrong(what)) => Err(format!("{tampering}, falling back: {what}")),
            Ok(told) if told.contains("gave up a checkpoint: ") => Ok((true, true)),
            Ok(told) => Err(format!("{tampering}: fell back and told {told:?}")),
            Err(Verdict::Refused(error)) if error.kind == ErrorKind::Configuration => {
                Ok((true, false))
            }
            Err(Verdict::Refused(error)) if has_sound => {
                Err(format!("{tampering}: an older checkpoint is sound, but {error}"))
            }
            Err(Verdict::Refused(error)) => {
                Self::check_refusal(tampering, &error).map(|()| (true, false))
            }
        }
    }

    fn check_refusal(tampering: &Tampering, error: &JobError) -> Result<(), String> {
        let text = error.to_string();
        // Another history's manifest is sound: what it names is what does not fit.
        let is_named = tampering.files.iter().any(|(name, _)| text.contains(name.as_str()))
            || tampering.what.contains("foreign") && text.contains(CHECKPOINTS);
        let has_code = matches!(error.kind.exit_code(), 74 | 78);
        match is_named && has_code && error.hint.as_deref().is_some_and(|hint| !hint.is_empty()) {
            true => Ok(()),
            false => Err(format!("{tampering}: refused with {error:?}")),
        }
    }

    /// Everything that is done to each file.
    fn tamperings(&self) -> Vec<Tampering> {
        let foreign = (0..200).rev().find_map(Self::behind_seed).unwrap();
        let mut all = Vec::new();
        for name in &self.files {
            let bytes = self.bytes(name);
            let mut change = |what: String, to: Option<Vec<u8>>| {
                let what = format!("{name} {what}");
                all.push(Tampering { what, files: vec![(name.clone(), to)] });
            };
            for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
                change(format!("cut at {length}"), Some(bytes[..length].to_vec()));
            }
            for (offset, bit) in flips(name, bytes.len()) {
                let mut flipped = bytes.clone();
                flipped[offset] ^= 1 << bit;
                change(format!("with bit {bit} of byte {offset} flipped"), Some(flipped));
            }
            change("removed".to_owned(), None);
            change("of another version".to_owned(), Some(of_another_version(&bytes)));
            change("with a tail".to_owned(), Some([bytes.as_slice(), b"\n"].concat()));
            for (number, other) in foreign.files.iter().enumerate() {
                if other == name || number % 5 == 0 {
                    change(format!("replaced by a foreign {other}"), Some(foreign.bytes(other)));
                }
            }
            if let Some(other) = self.files.iter().rfind(|other| *other < name) {
                change(format!("replaced by {other}"), Some(self.bytes(other)));
            }
            for other in self.files.iter().filter(|other| *other > name) {
                let to = (name.clone(), Some(self.bytes(other)));
                let files = vec![to, (other.clone(), Some(bytes.clone()))];
                all.push(Tampering { what: format!("{name} swapped with {other}"), files });
            }
        }
        all
    }
}

/// What came of a run that was not right.
pub(crate) enum Verdict {
    Refused(JobError),
    Wrong(String),
}

/// Places to flip a bit: the first and the last byte, and between them where the file's name says.
fn flips(name: &str, length: usize) -> Vec<(usize, u32)> {
    let seed = name.bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(byte));
    let mut random = Random::new(seed);
    let mut places = vec![(0, random.below(8) as u32), (length - 1, random.below(8) as u32)];
    while (places.len() as u64) < FLIPS {
        places.push((random.below(length as u64) as usize, random.below(8) as u32));
    }
    places
}

/// The file as a version to come might write it, sound in itself.
fn of_another_version(bytes: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(bytes).ok().and_then(|text| text.split_once('\n')) {
        Some((header, body)) if header.starts_with("waystream-manifest 3 ") => {
            let body = body.trim_end();
            let hash = file_hash(format!("4\n{body}").as_bytes());
            format!("waystream-manifest 4 {hash}\n{body}\n").into_bytes()
        }
        _ => {
            let mut bytes = bytes.to_vec();
            let end = bytes.len() - 1;
            (bytes[7], bytes[end]) = (b'2', b'2');
            bytes
        }
    }
}

/// Tries what can be done to each file; returns how often it was refused and how often an older
/// checkpoint was used instead, or what was not seen. To run the job to its end takes long, so that
/// is done for a part, unless `all` is wanted.
pub(crate) fn check(all: bool) -> Result<(usize, usize), String> {
    let left = Left::behind();
    let mut counts = (0, 0);
    for (number, tampering) in left.tamperings().iter().enumerate() {
        let to_the_end = all || number % 8 == 0 || tampering.what.contains("removed");
        let newest = &left.manifests[0];
        if to_the_end || Left::needs(newest, tampering) {
            let (refused, fell_back) = left.check(tampering, to_the_end)?;
            counts = (counts.0 + usize::from(refused), counts.1 + usize::from(fell_back));
        }
    }
    Ok(counts)
}
