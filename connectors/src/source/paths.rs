//! A glob and the files it names, each once and in sorted order.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use waystream_engine::error::{JobError, Result, way_out};

/// Files one source may have: their number is kept in 16 bits.
const MAX_FILES: usize = 1 << 16;

/// The files that a glob names, sorted. A directory stands for the files in it, at any depth,
/// that end in `.extension`. Hidden files and markers (`_SUCCESS`, `.crc`) are passed over, and so
/// is a second name of a file.
pub(crate) fn expand(pattern: &str, extension: &str) -> Result<Vec<PathBuf>> {
    if Path::new(pattern).is_dir() {
        let root = glob::Pattern::escape(pattern.trim_end_matches('/'));
        return matching(&format!("{root}/**/*.{extension}"), pattern);
    }
    matching(pattern, pattern)
}

fn matching(pattern: &str, shown: &str) -> Result<Vec<PathBuf>> {
    let wrong = |error: glob::PatternError| {
        JobError::configuration(format!("`{shown}` is no valid glob"))
            .hint("write [[] for a bracket in a name, and ** only as a whole part, as in a/**/b")
            .caused_by(error)
    };
    let mut files = Vec::new();
    for found in glob::glob(pattern).map_err(wrong)? {
        let path = found.map_err(|error| {
            let what = format!("cannot look into {}", error.path().display());
            let error = io::Error::from(error);
            JobError::unavailable(what).hint(way_out(&error)).caused_by(error)
        })?;
        if path.is_file() && !is_marker(&path) {
            files.push(path);
        }
    }
    files.sort();
    let mut seen = HashSet::new();
    files.retain(|path| {
        let first = path.metadata().map_or(true, |found| seen.insert((found.dev(), found.ino())));
        if !first {
            tracing::warn!(file = %path.display(), "a second name of a file is passed over");
        }
        first
    });
    if files.is_empty() && Path::new(shown).exists() && !Path::new(shown).is_dir() {
        let hint = way_out(&io::ErrorKind::InvalidInput.into());
        return Err(JobError::configuration(format!("`{shown}` is no ordinary file")).hint(hint));
    }
    if files.is_empty() {
        return Err(JobError::configuration(format!("no file matches `{shown}`"))
            .hint("check the path; it is taken relative to the directory the job runs in"));
    }
    if files.len() > MAX_FILES {
        let what = format!("`{shown}` matches {} files, the limit is {MAX_FILES}", files.len());
        return Err(JobError::configuration(what).hint("split the archive into several runs"));
    }
    Ok(files)
}

/// A file that the system does not let us read.
pub(crate) fn cannot_read(path: &Path, error: io::Error) -> JobError {
    let hint = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => {
            "put the file back, or start over with --fresh"
        }
        io::ErrorKind::PermissionDenied => "let the user of the job read the file",
        _ => way_out(&error),
    };
    JobError::unavailable(format!("cannot read {}", path.display())).hint(hint).caused_by(error)
}

fn is_marker(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name.starts_with(['_', '.']) || name.ends_with(".crc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_directory() -> Result<()> {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("sub")).unwrap();
        for name in ["b.x", "a.x", "_SUCCESS", ".hidden.x", "a.x.crc", "sub/c.x", "sub/d.y"] {
            std::fs::write(at(name), "").unwrap();
        }
        std::os::unix::fs::symlink(at("a.x"), at("z.x")).unwrap();
        std::os::unix::fs::symlink(dir.path(), at("sub/loop")).unwrap();
        std::fs::hard_link(at("b.x"), at("sub/e.x")).unwrap();
        let root = dir.path().display().to_string();
        assert_eq!(expand(&root, "x")?, [at("a.x"), at("b.x"), at("sub/c.x")]);
        assert_eq!(expand(&format!("{root}/*"), "x")?, [at("a.x"), at("b.x")]);
        assert!(expand(&format!("{root}/*.none"), "x").is_err());
        assert!(expand("/dev/null", "x").unwrap_err().what.contains("no ordinary file"));
        assert!(expand(&format!("{root}/[.x"), "x").unwrap_err().hint.is_some());
        Ok(())
    }
}
