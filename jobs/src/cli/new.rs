//! `waystream new NAME`: a crate with a job of one's own, which builds against a checkout.

use super::arguments::New;
use super::config::shown;
use super::report::answer;
use std::fs;
use std::io::ErrorKind as IoKind;
use std::path::{Path, PathBuf};
use waystream_engine::error::{ErrorKind, JobError, Result};

/// The folder of this crate when the binary was built; the checkout is above it.
const BUILT_IN: &str = env!("CARGO_MANIFEST_DIR");

/// Files of the new crate. `NAME` stands for its name, `CHECKOUT` for a quoted path.
const FILES: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("../../templates/job/Cargo.toml.in")),
    ("README.md", include_str!("../../templates/job/README.md.in")),
    ("waystream.toml", include_str!("../../templates/job/waystream.toml")),
    (".gitignore", include_str!("../../templates/job/gitignore")),
    ("src/main.rs", include_str!("../../templates/job/src/main.rs")),
    ("src/tests.rs", include_str!("../../templates/job/src/tests.rs")),
    ("pings.jsonl", include_str!("../../templates/job/pings.jsonl")),
];

/// Names that cargo or Rust does not take for a crate, and those of crates this one uses.
const RESERVED: [&str; 72] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "package",
    "priv",
    "proc-macro",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "serde",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "waystream",
    "waystream-connectors",
    "waystream-engine",
    "waystream-operators",
    "waystream_connectors",
    "waystream_engine",
    "waystream_operators",
    "where",
    "while",
    "workspace",
    "yield",
];

/// Writes the crate.
pub(super) fn write(arguments: &New) -> Result<()> {
    let name = arguments.name.as_str();
    check_name(name)?;
    let checkout = find_checkout(arguments.checkout.as_deref())?;
    let lock = checkout.join("Cargo.lock");
    let lock = fs::read_to_string(&lock).map_err(|error| {
        JobError::unavailable(format!("cannot read {}", lock.display()))
            .hint("name a whole checkout with --checkout FOLDER")
            .caused_by(error)
    })?;
    let folder = Path::new(name);
    fs::create_dir(folder).map_err(|error| match error.kind() {
        IoKind::AlreadyExists => {
            JobError::new(ErrorKind::Usage, format!("`{name}` is here already"))
                .hint("choose another name, or remove it")
        }
        _ => JobError::unavailable(format!("cannot make the folder `{name}` here"))
            .hint("go to a folder you may write to")
            .caused_by(error),
    })?;
    fill(folder, name, &checkout, &lock).inspect_err(|_| {
        // Half a crate would only be in the way of the next attempt.
        let _ = fs::remove_dir_all(folder);
    })?;
    answer(&format!(
        "made {name}/: the job is in src/main.rs, its test in src/tests.rs\n\n  cd {name}\n  \
         cargo test\n  cargo run -- run {name}\n"
    ));
    Ok(())
}

fn fill(folder: &Path, name: &str, checkout: &Path, lock: &str) -> Result<()> {
    let checkout = checkout.join("jobs");
    let checkout = checkout.to_str().ok_or_else(|| {
        JobError::configuration(format!("the path {} is not UTF-8", checkout.display()))
            .hint("move the checkout to a path that is, and name it with --checkout FOLDER")
    })?;
    let checkout = toml::Value::String(checkout.to_owned()).to_string();
    let files = FILES.iter().map(|(file, template)| {
        (*file, template.replace("NAME", name).replace("CHECKOUT", &checkout))
    });
    for (file, text) in files.chain([("Cargo.lock", lock.to_owned())]) {
        let path = folder.join(file);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all);
        written.and_then(|()| fs::write(&path, text)).map_err(|error| {
            JobError::unavailable(format!("cannot write {}", path.display()))
                .hint("go to a folder you may write to, on a disk with room")
                .caused_by(error)
        })?;
    }
    Ok(())
}

/// Refuses what cannot be the name of a crate, a folder and a job at once.
fn check_name(name: &str) -> Result<()> {
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    let holds = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    let why = if !begins || !name.chars().all(holds) {
        "use small letters, digits, `-` and `_`, and begin with a letter"
    } else if name.len() > 64 {
        "use at most 64 characters"
    } else if RESERVED.contains(&name) {
        "this name is taken by Rust, cargo or Waystream: choose another"
    } else {
        return Ok(());
    };
    let what = format!("`{}` cannot be the name of a job's crate", shown(name));
    Err(JobError::new(ErrorKind::Usage, what).hint(why))
}

fn find_checkout(given: Option<&Path>) -> Result<PathBuf> {
    let built_in = Path::new(BUILT_IN).parent().unwrap_or(Path::new(BUILT_IN));
    let folder = given.unwrap_or(built_in);
    let is_checkout = ["Cargo.lock", "engine/Cargo.toml", "jobs/Cargo.toml"]
        .iter()
        .all(|file| folder.join(file).is_file());
    let wrong = || {
        JobError::configuration(format!("{} is no checkout of Waystream", folder.display()))
            .hint("name one with --checkout FOLDER")
    };
    if !is_checkout {
        return Err(wrong());
    }
    folder.canonicalize().map_err(|error| wrong().caused_by(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_crates() {
        for name in ["demo", "my-job", "a", "job_2", &"a".repeat(64)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "../a",
            "a b",
            "a\nb",
            "Demo",
            "1job",
            "-x",
            "_x",
            "é",
            "🚢",
            "fn",
            "test",
            "serde",
            "waystream",
            "a.b",
            "a\0",
            &"a".repeat(65),
            &"a".repeat(300),
        ] {
            let error = check_name(name).expect_err(name);
            assert!(error.hint.is_some() && !error.to_string().contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_folder_that_is_no_checkout_is_refused() {
        let error = find_checkout(Some(Path::new("src"))).unwrap_err();
        assert_eq!(error.to_string(), "src is no checkout of Waystream");
    }
}
