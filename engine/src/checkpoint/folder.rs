//! A checkpoint folder on a disk: whole files, put durably and named by what they are.

use super::disk::Disk;
use super::manifest::StagedRef;
use crate::error::{JobError, Result};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the files of a job's checkpoints are.
#[derive(Clone, Debug)]
pub struct Folder {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl Folder {
    /// Opens a folder, making it if it is not there.
    ///
    /// # Errors
    /// If it cannot be made or is not a folder.
    pub fn open(disk: Arc<dyn Disk>, path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        disk.make_dir(&path).map_err(|error| {
            JobError::checkpoint(format!("cannot make the checkpoint folder {}", path.display()))
                .hint("name a folder you may write with --checkpoints")
                .caused_by(error)
        })?;
        Ok(Self { disk, path })
    }

    /// The folder's path, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The disk it is on.
    #[must_use]
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Puts a file: written aside, synced, renamed, and its name synced. When this returns, the
    /// file survives a power cut. A failed sync is never tried again on the same file.
    ///
    /// # Errors
    /// If any step fails.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let (aside, path) = (self.aside(name), self.path.join(name));
        let done = self
            .disk
            .write(&aside, bytes)
            .and_then(|()| crate::sabotage::unless_skipping_sync(|| self.disk.sync(&aside)))
            .and_then(|()| self.disk.rename(&aside, &path))
            .and_then(|()| {
                crate::sabotage::unless_skipping_sync(|| self.disk.sync_dir(&self.path))
            });
        done.map_err(|error| self.broken("write", name).caused_by(error))
    }

    /// Puts a file unless something has its name; says whether it did.
    ///
    /// # Errors
    /// If any step fails for another reason.
    pub fn put_new(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let (aside, path) = (self.aside(name), self.path.join(name));
        let linked = self
            .disk
            .write(&aside, bytes)
            .and_then(|()| self.disk.sync(&aside))
            .and_then(|()| self.disk.link(&aside, &path));
        let linked = match linked {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            Err(error) => return Err(self.broken("write", name).caused_by(error)),
        };
        self.disk
            .remove(&aside)
            .and_then(|()| self.disk.sync_dir(&self.path))
            .map_err(|error| self.broken("write", name).caused_by(error))?;
        Ok(linked)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it is missing or cannot be read.
    pub fn get(&self, name: &str) -> Result<Vec<u8>> {
        self.disk.read(&self.path.join(name)).map_err(|error| match error.kind() {
            ErrorKind::NotFound => JobError::checkpoint(format!(
                "checkpoint file {} is missing",
                self.path.join(name).display()
            )),
            _ => self.broken("read", name).caused_by(error),
        })
    }

    /// Reads the rows a manifest refers to and verifies them.
    ///
    /// # Errors
    /// If they are missing or changed.
    pub fn get_staged(&self, staged: &StagedRef) -> Result<Vec<u8>> {
        check_name(&staged.segment)?;
        let path = self.path.join(&staged.segment);
        let bytes = self
            .disk
            .read_at(&path, staged.start, staged.length as usize)
            .map_err(|error| self.broken("read", &staged.segment).caused_by(error))?;
        if bytes.len() as u64 != staged.length || crc32fast::hash(&bytes) != staged.crc {
            let (sink, path) = (&staged.sink, path.display());
            return Err(JobError::checkpoint(format!(
                "checkpoint file {path}: the rows owed to sink `{sink}` are damaged"
            ))
            .hint("restore the file; the sink cannot be made complete without it"));
        }
        Ok(bytes)
    }

    /// Names of all files.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn list(&self) -> Result<Vec<String>> {
        self.disk.list(&self.path).map_err(|error| {
            JobError::checkpoint(format!("cannot read the folder {}", self.path.display()))
                .caused_by(error)
        })
    }

    /// Removes a file that nothing refers to any more; failing to is not an error of the job.
    pub fn discard(&self, name: &str) {
        if let Err(error) = self.disk.remove(&self.path.join(name))
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%name, %error, "an unneeded checkpoint file could not be removed");
        }
    }

    fn aside(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.{}.tmp", std::process::id()))
    }

    fn broken(&self, verb: &str, name: &str) -> JobError {
        JobError::checkpoint(format!("cannot {verb} {}", self.path.join(name).display()))
    }
}

/// Refuses a file name, as found in a manifest, that would lead out of the folder.
pub(super) fn check_name(name: &str) -> Result<()> {
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return Err(JobError::checkpoint(format!("a manifest names the file `{name}`")));
    }
    Ok(())
}
