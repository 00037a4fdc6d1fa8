//! The environment as a layer: `WAYSTREAM__SECTION__KEY`, in capitals, with `_` for `-`.

use super::layers::{Entry, Given, Key, Origin, Section, shown};
use super::options::OPTIONS;
use std::ffi::OsString;
use waystream_engine::did_you_mean;
use waystream_engine::error::{JobError, Result};

/// How the variables that count begin.
const PREFIX: &str = "WAYSTREAM__";

/// Reads the variables that concern `job`. `names` are the job's own, which a variable cannot
/// always spell: they are found whatever their case and whether with `-` or `_`.
pub(super) fn read(
    variables: &[(OsString, OsString)],
    job: &str,
    jobs: &[&str],
    names: &[Key],
) -> Result<Vec<Entry>> {
    let (mut own, mut general) = (Vec::new(), Vec::new());
    for (variable, value) in variables {
        let Some(variable) = variable.to_str() else { continue };
        let Some(path) = variable.strip_prefix(PREFIX) else { continue };
        let origin = Origin::Variable(variable.to_owned());
        let text = value.to_str().ok_or_else(|| origin.wrong("the value is not UTF-8"))?;
        let given = Given { text: text.to_owned(), origin: origin.clone() };
        let parts: Vec<&str> = path.split("__").collect();
        match parts.as_slice() {
            ["JOBS", of, rest @ ..] if !rest.is_empty() => {
                let name = jobs
                    .iter()
                    .find(|name| same(name, of))
                    .ok_or_else(|| unknown(&origin, "job", &spelled(of), jobs.iter().copied()))?;
                let key = key(&origin, rest, names)?;
                if *name == job {
                    own.push((key, given));
                }
            }
            parts => general.push((key(&origin, parts, names)?, given)),
        }
    }
    own.extend(general);
    Ok(own)
}

fn key(origin: &Origin, parts: &[&str], names: &[Key]) -> Result<Key> {
    let sections = || Section::ALL.iter().map(|section| section.name());
    let first = parts.first().copied().unwrap_or_default();
    let section = Section::ALL.into_iter().find(|section| same(section.name(), first));
    let section = section
        .ok_or_else(|| unknown(origin, "section", &spelled(first), sections().chain(["jobs"])))?;
    let (name, is_complete) = match (section, parts) {
        (Section::Run | Section::Settings, [_, name]) => (*name, true),
        (Section::Sources | Section::Sinks, [_, name, "URL"]) => (*name, true),
        (_, [_, name, ..]) => (*name, false),
        _ => ("", false),
    };
    if !is_complete || name.is_empty() {
        let form = match section {
            Section::Run | Section::Settings => "KEY",
            Section::Sources | Section::Sinks => "NAME__URL",
        };
        let section = section.name().to_uppercase();
        let hint = format!("write {PREFIX}{section}__{form}");
        return Err(origin.wrong("this variable names no value").hint(hint));
    }
    if section == Section::Run {
        let options = || OPTIONS.iter().map(|(option, _)| *option);
        let option = options().find(|option| same(option, name));
        let option = option.ok_or_else(|| unknown(origin, "option", &spelled(name), options()))?;
        return Ok((section, option.to_owned()));
    }
    let own = names.iter().find(|(of, own)| *of == section && same(own, name));
    Ok(own.cloned().unwrap_or_else(|| (section, spelled(name))))
}

fn unknown<'a>(
    origin: &Origin,
    kind: &str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> JobError {
    let what = format!("there is no {kind} `{}`", shown(name));
    origin.wrong(what).hint(did_you_mean(name, known))
}

fn same(name: &str, variable: &str) -> bool {
    spelled(name) == spelled(variable)
}

fn spelled(variable: &str) -> String {
    variable.to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_however_a_variable_spells_it() {
        let names = [(Section::Settings, "Trip_Gap".to_owned())];
        for (variable, name) in [("TRIP_GAP", "Trip_Gap"), ("STOP_TIME", "stop-time")] {
            let variable = format!("WAYSTREAM__SETTINGS__{variable}");
            let variables = [(variable.into(), "1s".into())];
            let entries = read(&variables, "fleet", &["fleet"], &names).unwrap();
            assert_eq!(entries[0].0, (Section::Settings, name.to_owned()));
        }
    }
}
