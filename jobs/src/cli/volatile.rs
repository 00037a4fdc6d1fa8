//! Warns of checkpoints in memory: they are gone when the machine restarts.

use super::report::say;
use std::path::Path;

/// Says so if a folder is on a file system that lives in memory.
pub(super) fn warn_about(folder: &Path) {
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mounts") else { return };
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    if let Some(kind) = kind_of(&folder, &mounts).filter(|kind| ["tmpfs", "ramfs"].contains(kind)) {
        say(&format!(
            "warning: checkpoints in {} are in memory ({kind}): they do not survive a restart of \
             the machine; name another folder with --checkpoints\n",
            folder.display()
        ));
    }
}

/// The kind of the file system that a path is on: that of the deepest mount above it, and of the
/// latest if several are mounted on one another.
fn kind_of<'a>(path: &Path, mounts: &'a str) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (at, kind) = (fields.next()?, fields.next()?);
        let at = at.replace("\\040", " ");
        path.starts_with(&at).then_some((at.len(), kind))
    });
    mounts.max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_counts() {
        let mounts = "/dev/sda / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n\
                      /dev/sdb /run/my\\040disk xfs rw 0 0\ntmpfs /var/a tmpfs rw 0 0\n\
                      /dev/sdc /var/a ext4 rw 0 0\n";
        for (path, kind) in [
            ("/", "ext4"),
            ("/srv/me", "ext4"),
            ("/run/job", "tmpfs"),
            ("/runs/job", "ext4"),
            ("/run/my disk/job", "xfs"),
            ("/var/a/b", "ext4"),
        ] {
            assert_eq!(kind_of(Path::new(path), mounts), Some(kind), "{path}");
        }
    }
}
