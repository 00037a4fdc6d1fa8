//! The template of `waystream new` compiles here, with its tests, and README shows its code.

#[path = "../templates/job/src/main.rs"]
#[allow(dead_code, reason = "its `main` runs in the crates that are made from it")]
#[allow(clippy::needless_pass_by_value, reason = "`live` hands over its events")]
mod template;

#[test]
fn readme_shows_the_template() {
    let template = include_str!("../templates/job/src/main.rs");
    let (code, _) = template.split_once("\n#[cfg(test)]").expect("tests behind the job");
    let (_, code) = code.split_once("\n\n").expect("a first line about the file");
    let code = code.replace("NAME", "delivery");
    assert!(code.lines().count() <= 30, "a whole job has at most 30 lines");
    let readme = include_str!("../../README.md");
    let shown = format!("```rust\n{code}```\n");
    assert!(readme.contains(&shown), "README.md shows another job than this:\n{shown}");
}
