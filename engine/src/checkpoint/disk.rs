//! The few file operations that durability is built from, so that a simulation can stand in for
//! the machine's disk and forget what was never synced.

use rustix::fs::OFlags;
use std::any::Any;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A disk. Nothing written is durable before [`Disk::sync`], no name before [`Disk::sync_dir`].
pub trait Disk: Send + Sync {
    /// Creates or replaces a file (readable by its owner only) with these bytes.
    fn write(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()>;
    /// Writes these bytes at an offset of a file, creating it if needed.
    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts or extends a file to a length.
    fn set_len(&self, path: &Path, length: u64) -> io::Result<()>;
    /// Makes a file's contents durable.
    fn sync(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Gives a file another name, replacing what has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a second name; fails with `AlreadyExists` if something has it.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Reads a file whole.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Reads `length` bytes of a file from an offset.
    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>>;
    /// Length of a file, or `None` if there is none.
    fn len(&self, path: &Path) -> io::Result<Option<u64>>;
    /// All names in a folder, in order; none if there is no such folder. What is no file is named
    /// too: it takes up a name, and who needs the file has to say what is there instead.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Makes a folder with its parents.
    fn make_dir(&self, path: &Path) -> io::Result<()>;
    /// Locks a file, making it if needed, until the lock is dropped or the process has ended;
    /// `None` if somebody holds it. A disk that knows no locks grants each.
    fn lock(&self, _path: &Path) -> io::Result<Option<DiskLock>> {
        Ok(Some(Box::new(())))
    }
}

/// A lock that is held until it is dropped.
pub type DiskLock = Box<dyn Any + Send + Sync>;

/// Makes a folder with its parents and makes their names durable.
///
/// # Errors
/// If a folder cannot be made or synced.
pub fn make_durable_dir(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.make_dir(path)?;
    for ancestor in path.ancestors() {
        let ancestor = if ancestor == Path::new("") { Path::new(".") } else { ancestor };
        match disk.sync_dir(ancestor) {
            // A folder that may not be read was not made by us, so its name is old.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced?,
        }
    }
    Ok(())
}

impl fmt::Debug for dyn Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

/// The machine's own file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalDisk;

const OWNER_ONLY: u32 = 0o600;

/// Opens for writing. A pipe that nobody reads is an error, where it would be waited for.
fn writing() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).custom_flags(OFlags::NONBLOCK.bits() as i32);
    options
}

impl Disk for LocalDisk {
    fn write(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        let mut file = writing().truncate(true).mode(OWNER_ONLY).open(path)?;
        parts.iter().try_for_each(|part| file.write_all(part))
    }

    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = writing().truncate(false).open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }

    fn set_len(&self, path: &Path, length: u64) -> io::Result<()> {
        writing().truncate(false).open(path)?.set_len(length)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(PathBuf::from(entry?.file_name()).to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<DiskLock>> {
        let mut file = writing().truncate(false).mode(OWNER_ONLY).open(path)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                write!(file, "{}", std::process::id())?;
            }
            Err(TryLockError::WouldBlock) => return Ok(None),
            // Some network file systems know no locks; fencing by manifests holds there too.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(Some(Box::new(file)))
    }
}
