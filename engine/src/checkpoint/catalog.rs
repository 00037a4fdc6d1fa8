//! The sequence of manifests in a folder: finding the newest, claiming a generation, adding the
//! next, and removing what no retained checkpoint needs.

use super::folder::Folder;
use super::manifest::{Manifest, PlannedStage};
use crate::error::{JobError, Result};
use std::collections::{BTreeSet, VecDeque};

/// Checkpoints kept besides the newest.
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

/// The manifests of one job.
#[derive(Debug)]
pub struct Catalog {
    folder: Folder,
    retained: VecDeque<(u64, BTreeSet<String>)>,
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

    /// The newest checkpoint, if there is any.
    ///
    /// # Errors
    /// If it is damaged, and with [`Fallback::Older`] if all are.
    pub fn latest(&self, fallback: Fallback) -> Result<Option<Manifest>> {
        let mut sequences = self.sequences()?;
        let mut first_error = None;
        while let Some(sequence) = sequences.pop() {
            match self.read(sequence) {
                Ok(manifest) => return Ok(Some(manifest)),
                Err(error) if fallback == Fallback::Older => {
                    tracing::warn!(%error, "skipped a damaged checkpoint");
                    first_error.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        first_error.map_or(Ok(None), Err)
    }

    /// Takes the job over: writes a manifest of the next generation, otherwise equal to `base`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn claim(&mut self, base: &Manifest, stages: Vec<PlannedStage>) -> Result<Manifest> {
        let mut claim = Manifest { stages, finished: false, ..base.clone() };
        loop {
            let newest = self.sequences()?.pop();
            let newest_generation = match newest {
                Some(sequence) => self.read(sequence).map_or(base.generation, |m| m.generation),
                None => 0,
            };
            claim.sequence = newest.map_or(1, |sequence| sequence + 1);
            claim.generation = newest_generation.max(base.generation) + 1;
            if self.put(&claim)? {
                self.retain(base);
                self.retain(&claim);
                self.sweep(&claim)?;
                return Ok(claim);
            }
        }
    }

    /// Adds the next manifest.
    ///
    /// # Errors
    /// If it cannot be written, or another process has taken the job over.
    pub fn add(&mut self, manifest: &Manifest) -> Result<()> {
        if !self.put(manifest)? {
            let name = Manifest::file_name(manifest.sequence);
            let other = self.read(manifest.sequence).map_or(0, |other| other.generation);
            return Err(JobError::new(
                crate::error::ErrorKind::Unavailable,
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
        let path = self.folder.path().join(&name);
        let manifest = Manifest::decode(&self.folder.get(&name)?).map_err(|error| {
            let hint = error.hint.clone().unwrap_or_else(|| {
                "use an older checkpoint with --fallback, or start anew with --fresh".to_owned()
            });
            JobError::checkpoint(format!("{}: {error}", path.display())).hint(hint)
        })?;
        if manifest.sequence != sequence {
            let inside = manifest.sequence;
            return Err(JobError::checkpoint(format!(
                "{}: the file of another checkpoint, number {inside}, has this name",
                path.display()
            )));
        }
        Ok(manifest)
    }

    fn retain(&mut self, manifest: &Manifest) {
        let files = manifest.files().map(str::to_owned).collect();
        self.retained.push_back((manifest.sequence, files));
        while self.retained.len() > RETAINED + 1 {
            if let Some((sequence, files)) = self.retained.pop_front() {
                self.folder.discard(&Manifest::file_name(sequence));
                for file in files.iter().filter(|file| !self.is_needed(file)) {
                    self.folder.discard(file);
                }
            }
        }
    }

    fn is_needed(&self, file: &str) -> bool {
        self.retained.iter().any(|(_, files)| files.contains(file))
    }

    /// Removes what earlier generations left behind: files no retained manifest names.
    fn sweep(&self, claim: &Manifest) -> Result<()> {
        let kept: BTreeSet<u64> = self.retained.iter().map(|(sequence, _)| *sequence).collect();
        for name in self.folder.list()? {
            let unneeded = match Manifest::sequence_of(&name) {
                Some(sequence) => sequence < claim.sequence && !kept.contains(&sequence),
                None => is_ours(&name, claim.generation) && !self.is_needed(&name),
            };
            if unneeded {
                self.folder.discard(&name);
            }
        }
        Ok(())
    }
}

/// Whether a segment or a file left half written by an earlier generation has this name.
fn is_ours(name: &str, generation: u64) -> bool {
    let of = name.strip_prefix('g').and_then(|rest| rest.split_once('-')).map(|(of, _)| of);
    name.ends_with(".tmp")
        || of.and_then(|of| of.parse().ok()).is_some_and(|of: u64| of < generation)
}
