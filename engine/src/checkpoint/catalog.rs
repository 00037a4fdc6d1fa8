//! The sequence of manifests in a folder: finding the newest, claiming a generation, adding the
//! next, and removing what no retained checkpoint needs.

use super::chain::verify;
use super::folder::Folder;
use super::manifest::Manifest;
use crate::error::{ErrorKind, JobError, Result};
use crate::time::Epoch;
use std::collections::{BTreeSet, VecDeque};

/// Epochs whose checkpoints are kept besides the newest.
const RETAINED: usize = 3;

/// What to do when the newest checkpoint is damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fallback {
    /// Refuse to start.
    #[default]
    Refuse,
    /// Use the newest older one that is sound.
    Older,
}

/// A sound checkpoint.
#[derive(Debug)]
pub struct Found {
    /// Its manifest.
    pub manifest: Manifest,
    /// The newer ones that were given up for it, newest first.
    pub given_up: Vec<GivenUp>,
}

/// A damaged checkpoint that was not used.
#[derive(Debug)]
pub struct GivenUp {
    /// Its epoch, if its manifest could be read.
    pub epoch: Option<Epoch>,
    /// What is wrong with it.
    pub error: JobError,
}

/// A manifest that is kept with the files it names.
#[derive(Debug)]
struct Retained {
    sequence: u64,
    epoch: Epoch,
    files: BTreeSet<String>,
}

impl Retained {
    fn of(manifest: &Manifest) -> Self {
        let files = manifest.files().map(str::to_owned).collect();
        Self { sequence: manifest.sequence, epoch: manifest.epoch, files }
    }
}

/// The manifests of one job.
#[derive(Debug)]
pub struct Catalog {
    folder: Folder,
    retained: VecDeque<Retained>,
}

impl Catalog {
    /// The manifests in a folder.
    #[must_use]
    pub fn new(folder: Folder) -> Self {
        Self { folder, retained: VecDeque::new() }
    }

    /// The folder they are in.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The newest checkpoint, if there is any. Every file it needs has been read and found sound.
    ///
    /// # Errors
    /// If it is damaged, and with [`Fallback::Older`] if all are. One of another version is never
    /// given up: it is whole.
    pub fn latest(&self, fallback: Fallback) -> Result<Option<Found>> {
        let mut given_up: Vec<GivenUp> = Vec::new();
        if let Some(error) = self.lost_manifest()? {
            if fallback == Fallback::Refuse {
                return Err(error);
            }
            given_up.push(GivenUp { epoch: None, error });
        }
        let mut sequences = self.sequences()?;
        let mut last_usable = u64::MAX;
        while let Some(sequence) = sequences.pop() {
            if sequence > last_usable {
                continue;
            }
            let read = self.read(sequence);
            let epoch = read.as_ref().ok().map(|manifest| manifest.epoch);
            last_usable = read.as_ref().map_or(sequence, |manifest| manifest.follows);
            let error = match read.and_then(|manifest| self.verified(manifest)) {
                Ok(manifest) => return Ok(Some(Found { manifest, given_up })),
                Err(error) => error,
            };
            if fallback == Fallback::Refuse || error.kind != ErrorKind::Checkpoint {
                return Err(error);
            }
            given_up.push(GivenUp { epoch, error });
        }
        let hint = "no older checkpoint is sound: start anew with --fresh";
        given_up.into_iter().next().map_or(Ok(None), |newest| Err(newest.error.hint(hint)))
    }

    /// Whether a job has ever begun in this folder.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.sequences()?.is_empty())
    }

    /// Whether the newest manifest says that something was committed, or cannot be read. Nothing it
    /// names is looked at.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn has_progress(&self) -> Result<bool> {
        let newest = self.sequences()?.pop().map(|sequence| self.read(sequence));
        Ok(newest
            .is_some_and(|manifest| manifest.map_or(true, |manifest| manifest.epoch > Epoch(0))))
    }

    /// Where a manifest is, for messages.
    #[must_use]
    pub fn place_of(&self, manifest: &Manifest) -> String {
        self.folder.path().join(Manifest::file_name(manifest.sequence)).display().to_string()
    }

    /// A generation that no file in the folder is of.
    ///
    /// # Errors
    /// If the folder cannot be read, or holds the largest generation there can be.
    pub fn next_generation(&self, base: &Manifest) -> Result<u64> {
        let newest = self.sequences()?.pop().and_then(|sequence| self.read(sequence).ok());
        let named = self.folder.list()?.iter().filter_map(|name| generation_of(name)).max();
        let last = newest.map_or(0, |newest| newest.generation).max(base.generation);
        next(last.max(named.unwrap_or(0)))
    }

    /// Whether no run after this one has taken the job over.
    ///
    /// # Errors
    /// If the newest manifest cannot be read.
    pub fn is_current(&self, generation: u64) -> Result<bool> {
        let newest = self.sequences()?.pop().map(|sequence| self.read(sequence)).transpose()?;
        Ok(newest.is_none_or(|newest| newest.generation <= generation))
    }

    /// Takes the job over: writes a manifest of the next generation, otherwise equal to `base`.
    /// Checkpoints that `base` does not go on from are removed.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn claim(&mut self, base: &Manifest) -> Result<Manifest> {
        self.remember_history(base);
        let follows = self.last_kept_before(base.epoch);
        let mut claim = Manifest { follows, finished: false, ..base.clone() };
        loop {
            claim.generation = self.next_generation(base)?;
            claim.sequence = next(self.sequences()?.pop().unwrap_or(0))?;
            if self.put(&claim)? {
                break;
            }
        }
        self.retain(&claim);
        self.sweep(&claim)?;
        Ok(claim)
    }

    /// The checkpoints that `base` goes on from, and itself.
    fn remember_history(&mut self, base: &Manifest) {
        self.retained.clear();
        let mut before = Some(base.clone()).filter(|base| base.sequence > 0);
        while let Some(manifest) = before {
            before = match manifest.follows {
                0 => None,
                _ if self.retained.len() > 2 * RETAINED => None,
                sequence => self.read(sequence).ok(),
            };
            self.retained.push_front(Retained::of(&manifest));
        }
    }

    /// Adds the next manifest; it follows the last one.
    ///
    /// # Errors
    /// If it cannot be written, or another process has taken the job over.
    pub fn add(&mut self, manifest: &mut Manifest) -> Result<()> {
        manifest.follows = self.last_kept_before(manifest.epoch);
        if !self.put(manifest)? {
            let name = Manifest::file_name(manifest.sequence);
            let other = self.read(manifest.sequence).map_or(0, |other| other.generation);
            return Err(JobError::new(
                ErrorKind::Unavailable,
                format!(
                    "generation {} of job `{}` is fenced: {name} was written by generation {other}",
                    manifest.generation, manifest.job
                ),
            )
            .hint("another process runs this job from the same checkpoints; stop one of them"));
        }
        self.retain(manifest);
        Ok(())
    }

    fn put(&self, manifest: &Manifest) -> Result<bool> {
        self.folder.put_new(&Manifest::file_name(manifest.sequence), &manifest.encode()?)
    }

    fn sequences(&self) -> Result<Vec<u64>> {
        let names = self.folder.list()?;
        let mut sequences: Vec<_> = names.iter().filter_map(|n| Manifest::sequence_of(n)).collect();
        sequences.sort_unstable();
        Ok(sequences)
    }

    fn read(&self, sequence: u64) -> Result<Manifest> {
        let name = Manifest::file_name(sequence);
        let manifest = Manifest::decode(&self.folder.get(&name)?).map_err(|error| {
            let refused = self.folder.refused(&name, &format!("is {error}"));
            let hint = error.hint.or(refused.hint).unwrap_or_default();
            JobError::new(error.kind, refused.what).hint(hint)
        })?;
        if manifest.sequence != sequence {
            let what = format!("is that of another checkpoint, number {}", manifest.sequence);
            return Err(self.folder.refused(&name, &what));
        }
        Ok(manifest)
    }

    /// A manifest whose files are all sound. A finished job needs none of them.
    fn verified(&self, manifest: Manifest) -> Result<Manifest> {
        if !manifest.finished {
            verify(&self.folder, &manifest)?;
        }
        Ok(manifest)
    }

    /// A generation begins with a manifest, so segments of a later one than the newest manifest's
    /// mean that manifests were lost.
    fn lost_manifest(&self) -> Result<Option<JobError>> {
        let generation = match self.sequences()?.pop().map(|sequence| self.read(sequence)) {
            None => 0,
            Some(Ok(newest)) => newest.generation,
            Some(Err(_)) => return Ok(None),
        };
        let names = self.folder.list()?;
        let later = names.iter().find(|name| generation_of(name).is_some_and(|of| of > generation));
        Ok(later.map(|name| self.folder.refused(name, "has lost the manifest that names it")))
    }

    /// The manifest that one of this epoch follows: the newest one that is kept beside it.
    fn last_kept_before(&self, epoch: Epoch) -> u64 {
        let mut newest = self.retained.iter().rev();
        match (newest.next(), newest.next()) {
            (Some(last), Some(before)) if last.epoch == epoch && before.epoch == epoch => {
                before.sequence
            }
            (Some(last), _) => last.sequence,
            (None, _) => 0,
        }
    }

    /// Keeps the checkpoints of the newest epochs: of each the first and the newest, so that a job
    /// that is started again and again without getting on does not push the older epochs out.
    fn retain(&mut self, manifest: &Manifest) {
        self.retained.push_back(Retained::of(manifest));
        let count = self.retained.len();
        if count >= 3 && self.retained[count - 3].epoch == manifest.epoch {
            self.give_up(count - 2);
        }
        let epochs = |kept: &VecDeque<Retained>| {
            kept.iter().map(|retained| retained.epoch).collect::<BTreeSet<_>>().len()
        };
        while epochs(&self.retained) > RETAINED + 1 {
            self.give_up(0);
        }
    }

    /// Removes a manifest, and the files that no other one names.
    fn give_up(&mut self, at: usize) {
        let Some(old) = self.retained.remove(at) else { return };
        self.folder.discard(&Manifest::file_name(old.sequence));
        for file in old.files.iter().filter(|file| !self.is_needed(file)) {
            self.folder.discard(file);
        }
    }

    fn is_needed(&self, file: &str) -> bool {
        self.retained.iter().any(|retained| retained.files.contains(file))
    }

    /// Removes what earlier generations left behind: files no retained manifest names.
    fn sweep(&self, claim: &Manifest) -> Result<()> {
        let kept: BTreeSet<u64> = self.retained.iter().map(|retained| retained.sequence).collect();
        for name in self.folder.list()? {
            let unneeded = match Manifest::sequence_of(&name) {
                Some(sequence) => sequence < claim.sequence && !kept.contains(&sequence),
                None => {
                    is_left_half_written(&name)
                        || generation_of(&name).is_some_and(|of| of < claim.generation)
                            && !self.is_needed(&name)
                }
            };
            if unneeded {
                self.folder.discard(&name);
            }
        }
        Ok(())
    }
}

fn next(number: u64) -> Result<u64> {
    number.checked_add(1).ok_or_else(|| {
        JobError::checkpoint("a checkpoint file has the largest number there can be")
            .hint("files that the job did not write are in the folder: remove them")
    })
}

/// The generation in the name of a segment, if it is one.
fn generation_of(name: &str) -> Option<u64> {
    let (generation, rest) = name.strip_suffix(".segment")?.strip_prefix('g')?.split_once('-')?;
    // An epoch, or the hash of the savepoint that it was copied from; then what is in it.
    let (origin, part) = rest.split_once('-')?;
    let kind = part.trim_end_matches(|end: char| end.is_ascii_digit());
    let is_kind = match kind {
        "w" | "t" | "owed" => part.len() > kind.len(),
        _ => part == "state",
    };
    let is_ours = is_kind && origin.bytes().all(|byte| byte.is_ascii_alphanumeric());
    generation.parse().ok().filter(|_| is_ours)
}

/// Whether a manifest or segment was written aside under this name and never got its own.
fn is_left_half_written(name: &str) -> bool {
    let whole = name.strip_suffix(".tmp").and_then(|name| name.rsplit_once('.'));
    whole.is_some_and(|(name, _)| {
        Manifest::sequence_of(name).is_some() || generation_of(name).is_some()
    })
}

#[cfg(test)]
mod tests;
