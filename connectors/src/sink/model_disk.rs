//! A disk in memory that fails at a chosen operation and forgets what was never synced.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use waystream_engine::checkpoint::Disk;

/// How a run is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outage {
    /// The process is killed: all that reached the system stays.
    Process,
    /// Power fails: only what was synced stays.
    Power,
    /// Power fails, and chance has written some of the rest already.
    Chance(u64),
}

#[derive(Clone, Debug, Default)]
struct Inode {
    live: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    operations_left: Option<u32>,
    dead: bool,
}

/// The disk.
#[derive(Debug, Default)]
pub(super) struct ModelDisk {
    state: Mutex<State>,
}

impl ModelDisk {
    /// Fails after this many more changing operations; the failing one takes half effect.
    pub(super) fn fail_after(&self, operations: u32) {
        self.state.lock().unwrap().operations_left = Some(operations);
    }

    /// Whether it has failed.
    pub(super) fn is_dead(&self) -> bool {
        self.state.lock().unwrap().dead
    }

    /// The disk as the next run finds it.
    pub(super) fn after(&self, outage: Outage) -> Arc<Self> {
        let mut state = self.state.lock().unwrap().clone();
        (state.dead, state.operations_left) = (false, None);
        let mut coin = Coin(match outage {
            Outage::Chance(seed) => seed,
            _ => 0,
        });
        let mut survives = || match outage {
            Outage::Process => true,
            Outage::Power => false,
            Outage::Chance(_) => coin.toss(),
        };
        for inode in &mut state.inodes {
            if inode.live != inode.synced && !survives() {
                inode.live = match outage {
                    Outage::Chance(_) if survives() => mixed(&inode.live, &inode.synced),
                    _ => inode.synced.clone(),
                };
            }
            inode.synced = inode.live.clone();
        }
        let all: Vec<PathBuf> =
            state.names.keys().chain(state.synced_names.keys()).cloned().collect();
        for name in all {
            let (live, synced) = (state.names.get(&name), state.synced_names.get(&name));
            if live != synced && !survives() {
                match synced.copied() {
                    Some(inode) => state.names.insert(name, inode),
                    None => state.names.remove(&name),
                };
            }
        }
        state.synced_names = state.names.clone();
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Runs an operation, or half of it and then nothing ever again.
    fn change(&self, operation: impl Fn(&mut State, bool) -> io::Result<()>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        if state.dead {
            return Err(io::Error::other("power is off"));
        }
        if state.operations_left == Some(0) {
            state.dead = true;
            operation(&mut state, true)?;
            return Err(io::Error::other("power cut"));
        }
        state.operations_left = state.operations_left.map(|left| left - 1);
        operation(&mut state, false)
    }

    fn look<R>(&self, look: impl FnOnce(&State) -> io::Result<R>) -> io::Result<R> {
        let state = self.state.lock().unwrap();
        if state.dead { Err(io::Error::other("power is off")) } else { look(&state) }
    }
}

/// The new length with the old bytes: what is left when only the metadata was written.
fn mixed(live: &[u8], synced: &[u8]) -> Vec<u8> {
    let mut bytes = synced.to_vec();
    bytes.resize(live.len(), 0);
    bytes
}

struct Coin(u64);

impl Coin {
    fn toss(&mut self) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        self.0 >> 63 == 1
    }
}

impl State {
    fn inode(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&mut self, path: &Path) -> &mut Vec<u8> {
        let inode = *self.names.entry(path.to_owned()).or_insert_with(|| {
            self.inodes.push(Inode::default());
            self.inodes.len() - 1
        });
        &mut self.inodes[inode].live
    }
}

fn half(bytes: &[u8], cut_off: bool) -> &[u8] {
    if cut_off { &bytes[..bytes.len() / 2] } else { bytes }
}

impl Disk for ModelDisk {
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.change(|state, cut_off| {
            *state.create(path) = half(bytes, cut_off).to_vec();
            Ok(())
        })
    }

    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.change(|state, cut_off| {
            let (file, bytes) = (state.create(path), half(bytes, cut_off));
            let (start, end) = (offset as usize, offset as usize + bytes.len());
            file.resize(file.len().max(end), 0);
            file[start..end].copy_from_slice(bytes);
            Ok(())
        })
    }

    fn set_len(&self, path: &Path, length: u64) -> io::Result<()> {
        self.change(|state, cut_off| {
            if !cut_off {
                state.create(path).resize(length as usize, 0);
            }
            Ok(())
        })
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.change(|state, cut_off| {
            let inode = state.inode(path)?;
            if !cut_off {
                state.inodes[inode].synced = state.inodes[inode].live.clone();
            }
            Ok(())
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.change(|state, cut_off| {
            if !cut_off {
                state.synced_names.retain(|name, _| name.parent() != Some(path));
                let inside = state.names.iter().filter(|(name, _)| name.parent() == Some(path));
                state.synced_names.extend(inside.map(|(name, inode)| (name.clone(), *inode)));
            }
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|state, cut_off| {
            let inode = state.inode(from)?;
            if !cut_off {
                state.names.remove(from);
                state.names.insert(to.to_owned(), inode);
            }
            Ok(())
        })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|state, _| {
            let inode = state.inode(from)?;
            state.names.insert(to.to_owned(), inode);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(|state, cut_off| {
            state.inode(path)?;
            if !cut_off {
                state.names.remove(path);
            }
            Ok(())
        })
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.look(|state| Ok(state.inodes[state.inode(path)?].live.clone()))
    }

    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let bytes = self.read(path)?;
        Ok(bytes.into_iter().skip(offset as usize).take(length).collect())
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        self.look(|state| {
            Ok(state.names.get(path).map(|inode| state.inodes[*inode].live.len() as u64))
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.look(|state| {
            let inside = state.names.keys().filter(|name| name.parent() == Some(path));
            Ok(inside.filter_map(|name| Some(name.file_name()?.to_str()?.to_owned())).collect())
        })
    }

    fn make_dir(&self, _: &Path) -> io::Result<()> {
        self.change(|_, _| Ok(()))
    }
}
