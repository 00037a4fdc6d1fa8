//! Every example, run by the command in its own first lines, prints what stands in
//! `examples/expected`; `UPDATE_EXPECT=1` writes that anew.
//!
//! Cargo builds the examples before tests run, unless only some tests are asked for: then say
//! `cargo build --examples` before `cargo test --test examples`.

use expect_test::expect_file;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// How an example is run: its name, and the arguments its own text gives it.
struct Example {
    name: String,
    arguments: Vec<String>,
}

impl Example {
    /// Reads `cargo run --example NAME -- ARGUMENTS` from the first lines of the file.
    fn read(file: &Path) -> Self {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(file).expect("an example");
        let command = format!("//! cargo run --example {name}");
        let line = text.lines().find_map(|line| line.strip_prefix(&command));
        let line = line.unwrap_or_else(|| panic!("{name} does not say `{command}`"));
        let arguments = line.split_whitespace().skip_while(|word| *word == "--");
        let arguments = arguments.map(str::to_owned).collect();
        Self { name, arguments }
    }

    /// What it prints when it is run in an empty folder.
    fn run(&self) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let program = program(&self.name);
        let done = Command::new(&program).args(&self.arguments).current_dir(folder.path()).output();
        let done = done.unwrap_or_else(|error| {
            panic!("{}: {error}: build the examples: cargo build --examples", program.display())
        });
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{} ends with {}: {said}", self.name, done.status);
        String::from_utf8(done.stdout).expect("text")
    }
}

/// Cargo puts examples beside the folder of the tests.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this test");
    let built = test.ancestors().nth(2).expect("the folder of the build");
    built.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// The rows of a command line: without the summary, and sorted, as rows of different keys come out
/// in no particular order.
fn rows(printed: &str) -> String {
    let mut rows: Vec<&str> =
        printed.lines().filter(|line| !line.contains(" records read, ")).collect();
    rows.sort_unstable();
    rows.iter().map(|row| format!("{row}\n")).collect()
}

#[test]
fn examples_print_what_is_expected() {
    let files = std::fs::read_dir(Path::new(ROOT).join("examples")).expect("the examples");
    let files = files.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|e| e == "rs")).collect();
    files.sort();
    assert!(files.len() >= 8, "{files:?}");
    for file in files {
        let example = Example::read(&file);
        let printed = example.run();
        let printed = if example.arguments.is_empty() { printed } else { rows(&printed) };
        let expected = format!("{ROOT}/examples/expected/{}.txt", example.name);
        expect_file![expected].assert_eq(&printed);
    }
}
