//! A disk in memory that behaves like the worst real one: after a power cut it has what was
//! synced, and of the rest whatever it likes, torn files included.

use super::random::Random;
use crate::checkpoint::Disk;
use std::collections::BTreeMap;
use std::io::{self, Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The simulated disk; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk(Arc<Mutex<Platter>>);

#[derive(Clone, Debug, Default)]
struct Platter {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    operations: u64,
    cut_at: Option<u64>,
    fail_at: Option<u64>,
    full_at: Option<u64>,
    is_cut: bool,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    now: Vec<u8>,
    synced: Vec<u8>,
    /// Where the zeros begin that a power cut left, until somebody writes the file again.
    zeros_from: Option<usize>,
}

impl SimulatedDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts the power after this many more operations. A write that it meets gets half way.
    pub fn cut_after(&self, operations: u64) {
        let mut platter = self.lock();
        platter.cut_at = Some(platter.operations + operations);
    }

    /// Makes the operation after this many more fail, once.
    pub fn fail_after(&self, operations: u64) {
        let mut platter = self.lock();
        platter.fail_at = Some(platter.operations + operations);
    }

    /// Lets the disk be full after this many more operations: nothing can be written until
    /// [`Self::restart`].
    pub fn fill_after(&self, operations: u64) {
        let mut platter = self.lock();
        platter.full_at = Some(platter.operations + operations);
    }

    /// Another disk with the same files, as a process that starts now would find them.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self(Arc::new(Mutex::new(self.lock().clone())));
        copy.restart();
        copy
    }

    /// Whether the power is cut: every operation fails until [`Self::power_up`].
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.lock().is_cut
    }

    /// Cuts the power now.
    pub fn cut(&self) {
        self.lock().is_cut = true;
    }

    /// Comes back after a power cut: synced data and names are there, of the rest a random part.
    pub fn power_up(&self, random: &mut Random) {
        let mut platter = self.lock();
        platter.is_cut = false;
        (platter.cut_at, platter.fail_at, platter.full_at) = (None, None, None);
        let mut names = platter.durable_names.clone();
        let all: Vec<PathBuf> = platter.names.keys().chain(names.keys()).cloned().collect();
        for path in all {
            if platter.names.get(&path) != platter.durable_names.get(&path) && random.one_in(2) {
                match platter.names.get(&path) {
                    Some(inode) => names.insert(path, *inode),
                    None => names.remove(&path),
                };
            }
        }
        for inode in &mut platter.inodes {
            if inode.now != inode.synced {
                (inode.now, inode.zeros_from) = torn(inode, random);
                inode.synced = inode.now.clone();
            }
        }
        platter.durable_names.clone_from(&names);
        platter.names = names;
    }

    /// Comes back after a power cut with nothing but what was synced.
    pub fn lose_unsynced(&self) {
        let mut platter = self.lock();
        platter.names = platter.durable_names.clone();
        for inode in &mut platter.inodes {
            inode.now.clone_from(&inode.synced);
        }
        drop(platter);
        self.restart();
    }

    /// Comes back after the process alone was killed: nothing is lost.
    pub fn restart(&self) {
        let mut platter = self.lock();
        platter.is_cut = false;
        (platter.cut_at, platter.fail_at, platter.full_at) = (None, None, None);
    }

    /// What a reader from outside sees in a file now, without zeros that a power cut left and the
    /// job has not yet cut off; empty if there is none.
    #[must_use]
    pub fn peek(&self, path: &Path) -> Vec<u8> {
        let platter = self.lock();
        let Ok(inode) = platter.inode(path) else { return Vec::new() };
        inode.now[..inode.zeros_from.unwrap_or(inode.now.len())].to_vec()
    }

    /// Changes a file's bytes behind everybody's back.
    pub fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut platter = self.lock();
        if let Some(inode) = platter.names.get(path).copied() {
            let inode = &mut platter.inodes[inode];
            change(&mut inode.now);
            inode.synced = inode.now.clone();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation and fails it if the power is cut or the moment has come.
    fn operate(&self) -> io::Result<MutexGuard<'_, Platter>> {
        let mut platter = self.lock();
        platter.operations += 1;
        if platter.cut_at.is_some_and(|at| platter.operations > at) {
            platter.is_cut = true;
        }
        if platter.is_cut {
            return Err(Error::other("the power is cut"));
        }
        if platter.fail_at.is_some_and(|at| platter.operations > at) {
            platter.fail_at = None;
            return Err(Error::other("simulated input/output error"));
        }
        Ok(platter)
    }

    /// Writes bytes, or half of them if this is the moment at which the power is cut.
    fn write_by(&self, bytes: &[u8], write: impl Fn(&mut Platter, &[u8])) -> io::Result<()> {
        let was_cut = self.is_cut();
        match self.operate() {
            Ok(mut platter) => write(platter.with_room()?, bytes),
            Err(error) => {
                if self.is_cut() && !was_cut {
                    write(&mut self.lock(), &bytes[..bytes.len() / 2]);
                }
                return Err(error);
            }
        }
        Ok(())
    }
}

/// What a file that was never synced may look like: as before, cut off, of the new length with zeros
/// in it, or complete.
fn torn(inode: &Inode, random: &mut Random) -> (Vec<u8>, Option<usize>) {
    match random.below(4) {
        0 => (inode.synced.clone(), None),
        1 => {
            let keep = random.below(inode.now.len() as u64 + 1) as usize;
            let mut bytes = inode.now[..keep].to_vec();
            bytes.extend_from_slice(inode.synced.get(keep..).unwrap_or_default());
            (bytes, None)
        }
        2 => {
            let mut bytes = inode.synced.clone();
            bytes.resize(inode.now.len(), 0);
            (bytes, Some(inode.synced.len().min(inode.now.len())))
        }
        _ => (inode.now.clone(), None),
    }
}

fn missing(path: &Path) -> Error {
    Error::new(ErrorKind::NotFound, path.display().to_string())
}

impl Platter {
    fn inode(&self, path: &Path) -> io::Result<&Inode> {
        let inode = self.names.get(path).ok_or_else(|| missing(path))?;
        Ok(&self.inodes[*inode])
    }

    fn with_room(&mut self) -> io::Result<&mut Self> {
        if self.full_at.is_some_and(|at| self.operations > at) {
            return Err(Error::from(ErrorKind::StorageFull));
        }
        Ok(self)
    }

    /// The file that is about to be written.
    fn inode_or_new(&mut self, path: &Path) -> &mut Inode {
        let inode = match self.names.get(path) {
            Some(inode) => *inode,
            None => {
                self.inodes.push(Inode::default());
                self.names.insert(path.to_owned(), self.inodes.len() - 1);
                self.inodes.len() - 1
            }
        };
        let inode = &mut self.inodes[inode];
        inode.zeros_from = None;
        inode
    }
}

impl Disk for SimulatedDisk {
    fn write(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        self.write_by(&parts.concat(), |platter, bytes| {
            platter.inode_or_new(path).now = bytes.to_vec()
        })
    }

    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_by(bytes, |platter, bytes| {
            let file = &mut platter.inode_or_new(path).now;
            let end = offset as usize + bytes.len();
            file.resize(file.len().max(end), 0);
            file[offset as usize..end].copy_from_slice(bytes);
        })
    }

    fn set_len(&self, path: &Path, length: u64) -> io::Result<()> {
        self.operate()?.inode_or_new(path).now.resize(length as usize, 0);
        Ok(())
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        let mut platter = self.operate()?;
        let inode = *platter.names.get(path).ok_or_else(|| missing(path))?;
        let inode = &mut platter.inodes[inode];
        inode.synced.clone_from(&inode.now);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut platter = self.operate()?;
        let inside = |name: &Path| name.parent() == Some(path);
        let now: Vec<_> =
            platter.names.iter().map(|(name, inode)| (name.clone(), *inode)).collect();
        platter.durable_names.retain(|name, _| !inside(name));
        platter.durable_names.extend(now.into_iter().filter(|(name, _)| inside(name)));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut platter = self.operate()?;
        let inode = platter.names.remove(from).ok_or_else(|| missing(from))?;
        platter.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut platter = self.operate()?;
        if platter.names.contains_key(to) {
            return Err(Error::from(ErrorKind::AlreadyExists));
        }
        let inode = *platter.names.get(from).ok_or_else(|| missing(from))?;
        platter.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = self.operate()?.names.remove(path);
        removed.map(|_| ()).ok_or_else(|| missing(path))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.operate()?.inode(path)?.now.clone())
    }

    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let platter = self.operate()?;
        let bytes = platter.inode(path)?.now.get(offset as usize..).unwrap_or_default();
        Ok(bytes[..length.min(bytes.len())].to_vec())
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        Ok(self.operate()?.inode(path).ok().map(|inode| inode.now.len() as u64))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let platter = self.operate()?;
        let inside = platter.names.keys().filter(|name| name.parent() == Some(path));
        Ok(inside.filter_map(|name| Some(name.file_name()?.to_str()?.to_owned())).collect())
    }

    fn make_dir(&self, _path: &Path) -> io::Result<()> {
        self.operate().map(|_| ())
    }
}
