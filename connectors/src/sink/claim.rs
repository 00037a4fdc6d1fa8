//! A sink's claim on a file or folder, so that starting anew never destroys what is not its own.
//!
//! The claim is a hidden marker file that is durable before the first row is written: it names the
//! sink and the checkpoints that what is written belongs to. Who finds no marker next to something
//! that is not empty, or that of other checkpoints, must leave it alone.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use waystream_engine::checkpoint::{Disk, make_durable_dir};
use waystream_engine::error::{JobError, Result, way_out};
use waystream_engine::spec::History;

/// The place a sink writes to.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    /// The disk it is on.
    pub(super) disk: Arc<dyn Disk>,
    /// The folder that holds the sink's files.
    pub(super) folder: PathBuf,
    marker: PathBuf,
    /// What the marker says.
    owner: String,
    /// What it begins with if it is this sink's, whatever its checkpoints.
    sink: String,
    resumes: bool,
}

impl Claim {
    /// Claims one file for the sink of this name.
    pub(super) fn of_file(disk: Arc<dyn Disk>, file: &Path, owner: &Owner<'_>) -> Self {
        let folder = file.parent().filter(|parent| *parent != Path::new(""));
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let marker = folder.join(format!(".{name}.waystream"));
        Self::of(disk, folder, marker, owner)
    }

    /// Claims a folder for the sink of this name.
    pub(super) fn of_folder(disk: Arc<dyn Disk>, folder: &Path, owner: &Owner<'_>) -> Self {
        let folder = folder.to_owned();
        let marker = folder.join(".waystream");
        Self::of(disk, folder, marker, owner)
    }

    /// Makes the folder with its parents, and their names durable.
    pub(super) fn make_folder(&self) -> Result<()> {
        make_durable_dir(&*self.disk, &self.folder).map_err(cannot("make the folder", &self.folder))
    }

    fn of(disk: Arc<dyn Disk>, folder: PathBuf, marker: PathBuf, owner: &Owner<'_>) -> Self {
        let History { checkpoints, resumes, .. } = owner.history;
        let sink = format!("written by waystream, sink `{}`", owner.sink);
        let owner = format!("{sink}, checkpoints {}\n", checkpoints.display());
        Self { disk, folder, marker, owner, sink, resumes: *resumes }
    }

    /// Whether this sink has claimed the place before. A job that goes on from a checkpoint takes
    /// over what the same sink wrote for other checkpoints.
    ///
    /// # Errors
    /// If another sink has, or the same for other checkpoints and the job begins anew.
    pub(super) fn is_held(&self) -> Result<bool> {
        match self.disk.read(&self.marker) {
            Ok(bytes) if bytes == self.owner.as_bytes() => Ok(true),
            Ok(bytes) if self.may_take_over(&bytes) => {
                self.take()?;
                Ok(true)
            }
            Ok(bytes) => {
                let (marker, owner) = (self.marker.display(), String::from_utf8_lossy(&bytes));
                let owner = owner.trim_end().to_owned();
                Err(JobError::configuration(format!("{marker} says: {owner}")).hint(format!(
                    "go on with that sink and those checkpoints, name another place with --sink, \
                     or remove the output and {marker}"
                )))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(cannot("read", &self.marker)(error)),
        }
    }

    /// Whether the marker is this sink's and the job goes on from a checkpoint.
    fn may_take_over(&self, marker: &[u8]) -> bool {
        self.resumes && marker.starts_with(self.sink.as_bytes())
    }

    /// Claims the place, durably. The marker gets its name when it is whole: a power cut may leave
    /// a file of the right length that holds zeros.
    pub(super) fn take(&self) -> Result<()> {
        let aside = self.marker.with_added_extension("tmp");
        let written = self
            .disk
            .write(&aside, &[self.owner.as_bytes()])
            .and_then(|()| self.disk.sync(&aside))
            .and_then(|()| self.disk.rename(&aside, &self.marker))
            .and_then(|()| self.disk.sync_dir(&self.folder));
        written.map_err(cannot("write", &self.marker))
    }
}

/// Who a place is claimed for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a> {
    /// The sink's name.
    pub(super) sink: &'a str,
    /// The checkpoints of its job.
    pub(super) history: &'a History,
}

/// The error of an output that cannot be written, with the next step where one is known.
pub(super) fn cannot(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> JobError {
    let what = format!("cannot {verb} {}", path.display());
    move |error| {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => "name a place you may write, or change its owner",
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                "a file stands where a folder must be: move it, or name another place with --sink"
            }
            io::ErrorKind::IsADirectory => {
                "a folder stands where the file must be: name another place with --sink"
            }
            _ => way_out(&error),
        };
        JobError::unavailable(what).hint(hint).caused_by(error)
    }
}

#[cfg(test)]
impl<'a> Owner<'a> {
    /// A sink of a job that begins anew, with checkpoints in no folder.
    pub(in crate::sink) fn of_test(sink: &'a str) -> Self {
        static HISTORY: History =
            History { job: String::new(), checkpoints: PathBuf::new(), resumes: false };
        Self { sink, history: &HISTORY }
    }
}
