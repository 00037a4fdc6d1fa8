//! The text files of the repository, read once per test.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Folders that are built, fetched or left behind by a run.
const SKIPPED: [&str; 7] =
    ["target", "node_modules", ".git", ".waystream", "__pycache__", "dist", "venv"];
/// Endings of files that people write by hand.
const WRITTEN: [&str; 14] = [
    "rs", "toml", "md", "py", "sh", "ts", "js", "mjs", "json", "html", "css", "yml", "yaml", "lock",
];
const RUST_FOLDERS: [&str; 7] =
    ["engine", "operators", "connectors", "jobs", "examples", "benches", "tests"];

/// Paths from the root with `/` between names, and what the files hold.
pub struct Tree {
    pub files: BTreeMap<String, String>,
    /// Everything there is, also what is not read.
    pub paths: Vec<String>,
}

impl Tree {
    /// The repository this test was built from.
    pub fn open() -> Self {
        let mut tree = Self { files: BTreeMap::new(), paths: Vec::new() };
        tree.walk(Path::new(env!("CARGO_MANIFEST_DIR")), "");
        tree
    }

    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let files: BTreeMap<_, _> =
            files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Self { paths: files.keys().cloned().collect(), files }
    }

    fn walk(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            if entry.path().is_dir() {
                if !SKIPPED.contains(&name.as_str()) {
                    self.paths.push(path.clone());
                    self.walk(&entry.path(), &format!("{path}/"));
                }
                continue;
            }
            self.paths.push(path.clone());
            let ending = name.rsplit_once('.').map(|(_, ending)| ending);
            if ending.is_none_or(|ending| WRITTEN.contains(&ending))
                && let Ok(text) = fs::read_to_string(entry.path())
            {
                self.files.insert(path, text);
            }
        }
    }

    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The Rust files of all crates.
    pub fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(|(path, _)| {
            let first = path.split('/').next().unwrap_or_default();
            path.ends_with(".rs") && RUST_FOLDERS.contains(&first)
        })
    }

    /// Files with this name, wherever they stand.
    pub fn named(&self, name: &str) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(move |(path, _)| path.rsplit('/').next() == Some(name))
    }
}
