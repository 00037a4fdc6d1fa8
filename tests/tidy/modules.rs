//! No Rust file lies about unused: each is a crate's root or is named by a `mod` line.

use crate::tree::Tree;
use std::collections::BTreeSet;

/// Files that no `mod` line reaches from any crate's root.
pub fn orphans(tree: &Tree) -> Vec<String> {
    let all: BTreeSet<&str> = tree.rust().map(|(path, _)| path).collect();
    let mut reached = BTreeSet::new();
    let mut open: Vec<String> =
        all.iter().filter(|path| is_root(path)).map(|path| (*path).to_owned()).collect();
    while let Some(path) = open.pop() {
        if reached.insert(path.clone()) {
            open.extend(
                named_by(&path, &tree.files[&path])
                    .into_iter()
                    .filter(|next| all.contains(next.as_str())),
            );
        }
    }
    let lost = all.iter().filter(|path| !reached.contains(**path));
    lost.map(|path| format!("{path}: no `mod` line names it: add one or delete the file")).collect()
}

/// What cargo finds by itself: roots of libraries and programs, and each test, bench and example.
/// Templates that are copied out and never compiled here belong to no crate.
fn is_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let below = |folder: &str| parts.iter().position(|part| *part == folder);
    if parts.contains(&"templates") {
        return true;
    }
    match parts.as_slice() {
        [_, "src", "lib.rs" | "main.rs"] | [_, "build.rs"] | [_, "src", "bin", _] => true,
        _ => ["tests", "benches", "examples"].iter().filter_map(|folder| below(folder)).any(|at| {
            at <= 1
                && (parts.len() == at + 2 || (parts.len() == at + 3 && parts[at + 2] == "main.rs"))
        }),
    }
}

/// Every place where the modules that a file declares may be.
fn named_by(path: &str, text: &str) -> Vec<String> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = file.trim_end_matches(".rs");
    let here = match stem {
        "lib" | "main" | "mod" => folder.to_owned(),
        _ if is_root(path) => folder.to_owned(),
        _ => format!("{folder}/{stem}"),
    };
    let (mut paths, mut given) = (Vec::new(), None);
    for line in text.lines().map(str::trim) {
        if let Some(quoted) = line.strip_prefix("#[path = \"") {
            given = quoted.strip_suffix("\"]").map(|given| resolve(folder, given));
        } else if let Some(name) = module_name(line) {
            match given.take() {
                Some(path) => paths.push(path),
                None => {
                    paths.extend([format!("{here}/{name}.rs"), format!("{here}/{name}/mod.rs")])
                }
            }
        }
    }
    paths
}

/// `mod name;` with any visibility before it.
fn module_name(line: &str) -> Option<&str> {
    let declared = line.strip_suffix(';')?;
    let (before, name) = declared.rsplit_once(' ')?;
    let before = before.trim();
    (before == "mod" || (before.starts_with("pub") && before.ends_with(" mod"))).then_some(name)
}

/// A relative path, with its `..` taken out.
pub fn resolve(folder: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            "." | "" => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn a_file_that_no_mod_line_names_is_found() {
    let tree = Tree::of(&[
        ("engine/src/lib.rs", "mod state;\npub(crate) mod time;"),
        ("engine/src/time.rs", ""),
        ("engine/src/state/mod.rs", "mod table;"),
        ("engine/src/state/table.rs", "#[cfg(test)]\nmod tests;"),
        ("engine/src/state/table/tests.rs", ""),
        ("engine/src/state/lost.rs", ""),
        ("engine/tests/planted/main.rs", "#[path = \"../engine/job.rs\"]\nmod job;"),
        ("engine/tests/engine/job.rs", ""),
        ("benches/fleet/unused.rs", ""),
        ("tests/tidy/main.rs", ""),
    ]);
    let found = orphans(&tree);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("benches/fleet/unused.rs"), "{found:?}");
    assert!(found[1].starts_with("engine/src/state/lost.rs"), "{found:?}");
}
