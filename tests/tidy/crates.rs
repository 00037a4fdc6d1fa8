//! Which crate may know which: the engine nobody of ours, operators and connectors the engine only,
//! and timely nobody but the engine.

const OURS: [&str; 4] =
    ["waystream-engine", "waystream-operators", "waystream-connectors", "waystream"];

/// What the crate in a folder may depend on; others may depend on everything.
fn allowed(folder: &str) -> Option<&'static [&'static str]> {
    match folder {
        "engine" => Some(&[]),
        "operators" | "connectors" => Some(&["waystream-engine"]),
        _ => None,
    }
}

/// Dependencies of a manifest, of every kind.
pub fn edges(path: &str, text: &str) -> Vec<String> {
    let folder = path.split('/').next().unwrap_or_default();
    let (mut inside, mut breaches) = (false, Vec::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            inside = section.ends_with("dependencies") && section != "workspace.dependencies";
            continue;
        }
        let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
        if inside && !name.is_empty() {
            breaches
                .extend(breach(folder, name).map(|why| format!("{path}:{}: {why}", number + 1)));
        }
    }
    breaches
}

fn breach(folder: &str, name: &str) -> Option<String> {
    if matches!(name, "timely" | "differential-dataflow") && folder != "engine" {
        return Some(format!(
            "{folder} must not use {name}: take what you need through the engine"
        ));
    }
    let allowed = allowed(folder)?;
    let own_name = name.strip_prefix("waystream-") == Some(folder);
    (OURS.contains(&name) && !own_name && !allowed.contains(&name))
        .then(|| format!("{folder} must not know {name}: move what both need into the engine"))
}

/// Names of crates in the code, so that a renamed dependency does not slip through.
pub fn uses(path: &str, text: &str) -> Vec<String> {
    let folder = path.split('/').next().unwrap_or_default();
    let mut breaches = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.trim_start();
        let Some(used) = code.strip_prefix("use ").or_else(|| code.strip_prefix("pub use ")) else {
            continue;
        };
        let name = used.split([':', ';', ' ']).next().unwrap_or_default().replace('_', "-");
        breaches.extend(breach(folder, &name).map(|why| format!("{path}:{}: {why}", number + 1)));
    }
    breaches
}

#[test]
fn edges_that_go_up_or_across_are_found() {
    let with =
        |name: &str| format!("[dependencies]\nserde.workspace = true\n{name}.workspace = true\n");
    assert!(edges("operators/Cargo.toml", &with("waystream-engine")).is_empty());
    assert!(edges("jobs/Cargo.toml", &with("waystream-operators")).is_empty());
    assert!(edges("engine/Cargo.toml", &with("timely")).is_empty());
    for (path, name) in [
        ("engine/Cargo.toml", "waystream-operators"),
        ("operators/Cargo.toml", "waystream-connectors"),
        ("connectors/Cargo.toml", "waystream"),
        ("operators/Cargo.toml", "timely"),
        ("jobs/Cargo.toml", "timely"),
    ] {
        let found = edges(path, &with(name));
        assert_eq!(found.len(), 1, "{path} {name}");
        assert!(found[0].starts_with(&format!("{path}:3: ")), "{}", found[0]);
    }
    let dev = "[dev-dependencies]\nwaystream = { path = \"../jobs\" }\n";
    assert_eq!(edges("engine/Cargo.toml", dev).len(), 1);
}

#[test]
fn uses_of_timely_outside_the_engine_are_found() {
    assert!(uses("engine/src/job.rs", "use timely::worker::Worker;").is_empty());
    assert!(uses("engine/tests/job.rs", "use waystream_engine::Plan;").is_empty());
    assert_eq!(uses("operators/src/a.rs", "    use timely::worker::Worker;").len(), 1);
    assert_eq!(uses("connectors/src/a.rs", "use waystream_operators::Flow;").len(), 1);
}
