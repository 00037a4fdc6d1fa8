//! What must not stand in a file: work put off, paths of one machine, hosts of registries.

/// Put together here so that this file does not hold what it looks for.
const MARKERS: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("dbg", "!"),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
];
const MACHINE_PATHS: [&str; 3] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
const HOSTS: [&str; 3] =
    [concat!("registry.", "npmjs.org"), concat!("pypi.", "org"), concat!("repo.", "maven")];

pub fn left_for_later(path: &str, text: &str) -> Vec<String> {
    find(path, text, &MARKERS, "do it now, or open an issue and take the mark out", |before| {
        !before.is_alphanumeric() && before != '_'
    })
}

/// Looks where a path begins, so that the end of a longer path or address is not taken for one.
pub fn machine_paths(path: &str, text: &str) -> Vec<String> {
    find(path, text, &MACHINE_PATHS, "use a path from the root of the repository", |before| {
        !before.is_alphanumeric() && !"_.-})~*".contains(before)
    })
}

pub fn registry_hosts(path: &str, text: &str) -> Vec<String> {
    let remedy =
        "leave the registry to the tool's own settings (npm: omit-lockfile-registry-resolved)";
    find(path, text, &HOSTS, remedy, |_| true)
}

fn find(
    path: &str,
    text: &str,
    needles: &[&str],
    remedy: &str,
    may_follow: impl Fn(char) -> bool,
) -> Vec<String> {
    let mut breaches = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for needle in needles {
            let found = line.match_indices(needle).any(|(at, _)| {
                let ends_word = !line[at + needle.len()..].starts_with(char::is_alphanumeric)
                    || needle.ends_with('/');
                line[..at].chars().next_back().is_none_or(&may_follow) && ends_word
            });
            if found {
                breaches.push(format!("{path}:{}: `{needle}`: {remedy}", number + 1));
            }
        }
    }
    breaches
}

#[test]
fn marks_of_unfinished_work_are_found() {
    for marker in MARKERS {
        assert_eq!(left_for_later("a.rs", &format!("a();\n// {marker} b")).len(), 1, "{marker}");
    }
    let longer = format!("fn a_{}s() {{}} // {}L", MARKERS[0], MARKERS[2]);
    assert!(left_for_later("a.rs", &longer).is_empty());
}

#[test]
fn paths_of_one_machine_are_found() {
    for path in MACHINE_PATHS {
        assert_eq!(machine_paths("a.md", &format!("see {path}me")).len(), 1);
        assert_eq!(machine_paths("a.md", &format!("file://{path}me")).len(), 1);
        assert!(machine_paths("a.md", &format!("https://example.com{path}me")).is_empty());
    }
}

#[test]
fn hosts_of_registries_are_found() {
    for host in HOSTS {
        assert_eq!(registry_hosts("a.json", &format!("\"https://{host}/a\"")).len(), 1);
    }
    assert!(registry_hosts("a.md", "published on crates.io").is_empty());
}
