//! A checkpoint folder on a disk: whole files, put durably and named by what they are.

use super::disk::{Disk, DiskLock, make_durable_dir};
use super::manifest::StagedRef;
use crate::error::{ErrorKind, JobError, Result, is_out_of_files, way_out};
use crate::sabotage::{Sabotage, planted};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Locked by the process that runs the job.
const LOCK: &str = "job.lock";

/// The ways on without a file of a checkpoint.
const WITHOUT_IT: &str =
    "put the file back, use an older checkpoint with --fallback, or start anew with --fresh";

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
        make_durable_dir(&*disk, &path).map_err(|error| {
            JobError::checkpoint(format!("cannot make the checkpoint folder {}", path.display()))
                .hint("name a folder you may write with --checkpoints")
                .caused_by(error)
        })?;
        Ok(Self { disk, path })
    }

    /// A folder that is only read; one that is not there is as good as an empty one.
    #[must_use]
    pub fn at(disk: Arc<dyn Disk>, path: impl Into<PathBuf>) -> Self {
        Self { disk, path: path.into() }
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

    /// Refuses to go on while another process runs a job from this folder, and keeps others from
    /// it until the lock is dropped. Where the lock does not reach, the older of two processes
    /// finds the number of its next manifest taken.
    ///
    /// # Errors
    /// If another process has the lock.
    pub fn lock(&self) -> Result<DiskLock> {
        let path = self.path.join(LOCK);
        let lock = self.disk.lock(&path).map_err(|error| self.broken("lock", LOCK, error))?;
        lock.ok_or_else(|| {
            let holder = self.disk.read(&path).unwrap_or_default();
            let holder = String::from_utf8_lossy(&holder);
            let what = format!("process {holder} runs a job from {}", self.path.display());
            JobError::new(ErrorKind::Unavailable, what)
                .hint("stop it first, or name another folder with --checkpoints")
        })
    }

    /// Puts a file of these parts: written aside, synced, renamed, and its name synced. When this
    /// returns, the file survives a power cut. A failed sync is never tried again on the same file.
    ///
    /// # Errors
    /// If any step fails.
    pub fn put<'a>(&self, name: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> Result<()> {
        let (aside, path) = (self.aside(name), self.path.join(name));
        let parts: Vec<&[u8]> = parts.into_iter().collect();
        let done = self
            .disk
            .write(&aside, &parts)
            .and_then(|()| crate::sabotage::unless_skipping_sync(|| self.disk.sync(&aside)))
            .and_then(|()| self.disk.rename(&aside, &path))
            .and_then(|()| {
                crate::sabotage::unless_skipping_sync(|| self.disk.sync_dir(&self.path))
            });
        done.map_err(|error| {
            self.abandon(&aside);
            self.broken("write", name, error)
        })
    }

    /// Puts a file unless something has its name; says whether it did.
    ///
    /// # Errors
    /// If any step fails for another reason.
    pub fn put_new(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let (aside, path) = (self.aside(name), self.path.join(name));
        let linked = self
            .disk
            .write(&aside, &[bytes])
            .and_then(|()| self.disk.sync(&aside))
            .and_then(|()| self.disk.link(&aside, &path));
        let linked = match linked {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => {
                self.abandon(&aside);
                return Err(self.broken("write", name, error));
            }
        };
        self.disk
            .remove(&aside)
            .and_then(|()| self.disk.sync_dir(&self.path))
            .map_err(|error| self.broken("write", name, error))?;
        Ok(linked)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it is missing or cannot be read.
    pub fn get(&self, name: &str) -> Result<Vec<u8>> {
        self.disk.read(&self.path.join(name)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => self.refused(name, "is missing"),
            _ => self.broken("read", name, error),
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
            .map_err(|error| self.broken("read", &staged.segment, error))?;
        let sound = || crc32fast::hash(&bytes) == staged.crc || planted(Sabotage::ChecksumsIgnored);
        if bytes.len() as u64 != staged.length || !sound() {
            let what = format!("the rows owed to sink `{}` are damaged", staged.sink);
            return Err(self.refused(&staged.segment, &what));
        }
        Ok(bytes)
    }

    /// All names in the folder.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn list(&self) -> Result<Vec<String>> {
        self.disk.list(&self.path).map_err(|error| {
            JobError::checkpoint(format!("cannot read the folder {}", self.path.display()))
                .hint("make it readable for the user that runs the job")
                .caused_by(error)
        })
    }

    /// Removes a file that nothing refers to any more; failing to is not an error of the job.
    pub fn discard(&self, name: &str) {
        if let Err(error) = self.disk.remove(&self.path.join(name))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%name, %error, "an unneeded checkpoint file could not be removed");
        }
    }

    /// The error of a file that cannot be used: its path, what is wrong with it, and the way out.
    pub(super) fn refused(&self, name: &str, what: &str) -> JobError {
        JobError::checkpoint(format!("checkpoint file {} {what}", self.path.join(name).display()))
            .hint(WITHOUT_IT)
    }

    /// A name that no other writer uses: a job that has failed may still be writing the file that the
    /// next one in the same process writes.
    fn aside(&self, name: &str) -> PathBuf {
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        let number = WRITTEN.fetch_add(1, Relaxed);
        self.path.join(format!("{name}.{}-{number}.tmp", std::process::id()))
    }

    /// Gives back the room of a file that could not be written; it is never written again.
    fn abandon(&self, aside: &Path) {
        let _ = self.disk.remove(aside);
    }

    fn broken(&self, verb: &str, name: &str, error: io::Error) -> JobError {
        let hint = match (verb, error.kind()) {
            (_, io::ErrorKind::PermissionDenied) => {
                "make the folder readable and writable for the user that runs the job"
            }
            ("read", _) if !is_out_of_files(&error) => WITHOUT_IT,
            _ => way_out(&error),
        };
        let path = self.path.join(name);
        JobError::checkpoint(format!("cannot {verb} checkpoint file {}", path.display()))
            .hint(hint)
            .caused_by(error)
    }
}

/// Refuses a file name, as found in a manifest, that would lead out of the folder.
pub(super) fn check_name(name: &str) -> Result<()> {
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return Err(JobError::checkpoint(format!("a manifest names the file `{name}`"))
            .hint("the manifest is forged: start anew with --fresh"));
    }
    Ok(())
}
