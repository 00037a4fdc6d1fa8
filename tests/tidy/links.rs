//! Links between the texts of the repository lead to files that are there.

use crate::modules::resolve;
use crate::tree::Tree;

/// Links in Markdown to files or folders that do not exist.
pub fn broken(tree: &Tree) -> Vec<String> {
    let mut breaches = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| path.ends_with(".md")) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (number, target) in targets(text) {
            let file = target.split('#').next().unwrap_or_default();
            let resolved = resolve(folder, file);
            // What begins outside cannot be checked on every clone: the shared data folder is one.
            let outside = resolved.starts_with("..");
            if !outside && !resolved.is_empty() && !tree.paths.contains(&resolved) {
                breaches.push(format!("{path}:{number}: no file `{resolved}`: correct the link"));
            }
        }
    }
    breaches
}

/// Targets of `[text](target)` outside code, without addresses and places in the same page.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let (mut found, mut in_code) = (Vec::new(), false);
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let target = line[at + 2..].split([')', ' ']).next().unwrap_or_default();
            let quoted = line[..at].matches('`').count() % 2 == 1;
            let leads_away = target.contains("://") || target.starts_with("mailto:");
            if !quoted && !leads_away && !target.starts_with('#') {
                found.push((number + 1, target));
            }
        }
    }
    found
}

#[test]
fn links_that_lead_nowhere_are_found() {
    let page = "[a](guide.md) [b](../README.md#top) [c](https://example.com/x)\n\
                `[d](not-a-link)`\n```\n[e](nor-this)\n```\n[f](gone.md) [g](#here) [h](../../beside)";
    let tree = Tree::of(&[("docs/page.md", page), ("docs/guide.md", ""), ("README.md", "")]);
    let found = broken(&tree);
    assert_eq!(found, ["docs/page.md:6: no file `docs/gone.md`: correct the link"]);
}
