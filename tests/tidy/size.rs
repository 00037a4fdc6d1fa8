//! A file is one idea and fits in a head: how it begins and how long it and its functions are.

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 70;
const EXAMPLE_LINES: usize = 80;

pub fn first_line(path: &str, text: &str) -> Option<String> {
    let first = text.lines().next().unwrap_or_default();
    let says = first.strip_prefix("//! ").is_some_and(|idea| !idea.trim().is_empty());
    (!says).then(|| format!("{path}:1: begin with `//! ` and the one idea of the file"))
}

pub fn file_length(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > FILE_LINES).then(|| {
        format!("{path}: {lines} lines: split it by idea into files of at most {FILE_LINES}")
    })
}

/// Examples are those with a number: `NN_name.rs`.
pub fn example_length(path: &str, text: &str) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let numbered = name.len() > 3
        && name.as_bytes()[..2].iter().all(u8::is_ascii_digit)
        && name.as_bytes()[2] == b'_';
    let lines = text.lines().count();
    (numbered && lines > EXAMPLE_LINES).then(|| {
        format!("{path}: {lines} lines: an example shows one thing in at most {EXAMPLE_LINES}")
    })
}

/// Counts from `fn` to the closing brace at the same indent, which rustfmt makes exact.
pub fn function_lengths(path: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut breaches = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let closing = format!("{}}}", " ".repeat(indent));
        let Some(length) = lines[start..].iter().position(|line| *line == closing) else {
            continue;
        };
        let length = length + 1 - expected_lines(&lines[start..start + length]);
        if length > FUNCTION_LINES && !lines[start].ends_with('}') {
            let (line, lines) = (start + 1, length);
            breaches.push(format!(
                "{path}:{line}: `{name}` has {lines} lines: take parts out, {FUNCTION_LINES} at most"
            ));
        }
    }
    breaches
}

/// Lines of the text inside `expect![[r#"…"#]]`: an answer, not code.
fn expected_lines(lines: &[&str]) -> usize {
    let mut inside = false;
    let mut count = 0;
    for line in lines {
        inside &= !line.trim_start().starts_with("\"#]]");
        count += usize::from(inside);
        inside |= line.trim_end().ends_with("expect![[r#\"");
    }
    count
}

/// The name of the function that begins on a line, unless it ends there too.
fn function_name(line: &str) -> Option<&str> {
    let code = line.trim_start();
    if code.starts_with("//") || code.ends_with(';') || code.ends_with('}') {
        return None;
    }
    let at = if code.starts_with("fn ") { 0 } else { code.find(" fn ")? + 1 };
    let words = ["pub", "const", "async", "unsafe", "extern", "default"];
    let before = &code[..at];
    let declared = before
        .split_whitespace()
        .all(|word| words.contains(&word) || word.starts_with("pub(") || word == "\"C\"");
    let name = &code[at + 3..];
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    declared.then(|| &name[..end])
}

#[test]
fn a_file_without_its_idea_is_found() {
    assert!(first_line("a.rs", "//! Reads.\nfn a() {}").is_none());
    assert!(first_line("a.rs", "fn main() {}").is_some());
    assert!(first_line("a.rs", "//!\n//! Late.").is_some());
    assert!(first_line("a.rs", "").is_some());
}

#[test]
fn long_files_and_examples_are_found() {
    assert!(file_length("a.rs", &"\n".repeat(400)).is_none());
    assert!(file_length("a.rs", &"\n".repeat(401)).is_some());
    assert!(example_length("examples/01_hello.rs", &"\n".repeat(80)).is_none());
    assert!(example_length("examples/01_hello.rs", &"\n".repeat(81)).is_some());
    assert!(example_length("engine/src/job.rs", &"\n".repeat(81)).is_none());
}

#[test]
fn long_functions_are_found_where_they_begin() {
    let function = |head: &str, lines: usize| {
        format!("impl A {{\n    {head} {{\n{}    }}\n}}\n", "        b();\n".repeat(lines - 2))
    };
    assert!(function_lengths("a.rs", &function("fn a()", 70)).is_empty());
    let found = function_lengths("a.rs", &function("pub(crate) async fn a()", 71));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("a.rs:2: `a` has 71 lines"), "{}", found[0]);
    let answer = format!("expect![[r#\"\n{}\"#]];", "text\n".repeat(90));
    assert!(function_lengths("a.rs", &format!("fn table() {{\n{answer}\n}}\n")).is_empty());
    assert!(function_lengths("a.rs", "fn short() {}\nfn also(\n) {\n}\n").is_empty());
}
