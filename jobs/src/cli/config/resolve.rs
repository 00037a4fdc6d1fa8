//! What all layers come to for one job, and whether the job takes it.

use super::file::{self, Jobs};
use super::layers::{Entry, Given, Key, Layers, Origin, Section, shown};
use super::options::{Options, literal};
use super::variables;
use crate::Job;
use crate::cli::arguments::JobArguments;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use waystream_engine::did_you_mean;
use waystream_engine::error::{ErrorKind, JobError, Result};
use waystream_engine::spec::{Deployment, History};
use waystream_operators::{Flow, Outline};

/// What surrounds the process: the weaker layers.
#[derive(Debug)]
pub(in crate::cli) struct Surroundings {
    /// The environment.
    pub(in crate::cli) variables: Vec<(OsString, OsString)>,
    /// The file that belongs to the folder the command runs in.
    pub(in crate::cli) here: PathBuf,
    /// The user's own file.
    pub(in crate::cli) user: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    pub(in crate::cli) fn of_process() -> Self {
        let folder = |name: &str| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from).filter(|path| path.is_absolute())
        };
        let config =
            folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")));
        Self {
            variables: std::env::vars_os().collect(),
            here: PathBuf::from("waystream.toml"),
            user: config.map(|config| config.join("waystream/config.toml")),
        }
    }
}

/// A job with what it was given.
#[derive(Debug)]
pub(in crate::cli) struct Resolved {
    pub(in crate::cli) job: Job,
    pub(in crate::cli) options: Options,
    pub(in crate::cli) deployment: Deployment,
    pub(in crate::cli) outline: Outline,
    pub(in crate::cli) layers: Layers,
}

/// Puts the layers together and declares the job with them.
pub(in crate::cli) fn resolve(
    jobs: &[Job],
    arguments: &JobArguments,
    options: Vec<(&'static str, &'static str, String)>,
    surroundings: &Surroundings,
) -> Result<Resolved> {
    let job = known_job(jobs, &arguments.job)?;
    let layers = layers(jobs, job, arguments, options, surroundings)?;
    let options = Options::of(&layers, job.name)?;
    for (name, given) in layers.section(Section::Sources).chain(layers.section(Section::Sinks)) {
        let path = given.text.split_once(':').map_or("", |(_, path)| path);
        literal(&given.text, path)
            .map_err(|why| given.origin.wrong(format!("the URL of `{}`: {why}", shown(name))))?;
    }
    let deployment = Deployment {
        sources: texts(&layers, Section::Sources),
        sinks: texts(&layers, Section::Sinks),
        settings: texts(&layers, Section::Settings),
        history: History { job: job.name.to_owned(), ..History::default() },
        ..Deployment::default()
    };
    let mut outline = Flow::outline(&deployment, job.build);
    refuse_unknown(&layers, &outline, jobs.len())?;
    if let Some(refusal) = outline.refusal.take() {
        return Err(name_origin(refusal, &layers));
    }
    Ok(Resolved { job, options, deployment, outline, layers })
}

/// The job of this name.
pub(in crate::cli) fn known_job(jobs: &[Job], name: &str) -> Result<Job> {
    let found = jobs.iter().find(|job| job.name == name).copied();
    found.ok_or_else(|| {
        let what = format!("there is no job `{}`", shown(name));
        let hint = did_you_mean(name, jobs.iter().map(|job| job.name));
        JobError::new(ErrorKind::Usage, what).hint(hint)
    })
}

fn layers(
    jobs: &[Job],
    job: Job,
    arguments: &JobArguments,
    options: Vec<(&'static str, &'static str, String)>,
    surroundings: &Surroundings,
) -> Result<Layers> {
    let names: Vec<&str> = jobs.iter().map(|job| job.name).collect();
    let own = Jobs { wanted: job.name, known: &names, others_are_fine: false };
    let mut layers = Layers::default();
    layers.add(flags(arguments, options)?);
    let outline = Flow::outline(&Deployment::default(), job.build);
    let variables = &surroundings.variables;
    layers.add(variables::read(variables, job.name, &names, &keys(&outline))?);
    if let Some(path) = &arguments.config {
        layers.add(file::read(path, own)?.ok_or_else(|| missing(path))?);
    }
    layers.add(file::read(&surroundings.here, own)?.unwrap_or_default());
    if let Some(path) = &surroundings.user {
        let any = Jobs { others_are_fine: true, ..own };
        layers.add(file::read(path, any)?.unwrap_or_default());
    }
    Ok(layers)
}

fn flags(
    arguments: &JobArguments,
    options: Vec<(&'static str, &'static str, String)>,
) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (flag, name, text) in options {
        entries.push(((Section::Run, name.to_owned()), given(flag, text)));
    }
    for (flag, section, pairs) in [
        ("--source", Section::Sources, &arguments.source),
        ("--sink", Section::Sinks, &arguments.sink),
        ("--set", Section::Settings, &arguments.set),
    ] {
        for (at, (name, text)) in pairs.iter().enumerate() {
            if pairs[..at].iter().any(|(other, _)| other == name) {
                let what = format!("{} `{}` is given twice", section.one(), shown(name));
                return Err(Origin::Flag(flag).wrong(what).hint("keep one of them"));
            }
            entries.push(((section, name.clone()), given(flag, text.clone())));
        }
    }
    Ok(entries)
}

fn given(flag: &'static str, text: String) -> Given {
    Given { text, origin: Origin::Flag(flag) }
}

fn missing(path: &Path) -> JobError {
    JobError::configuration("there is no such file")
        .at(path.display().to_string())
        .hint("--config names a configuration file")
}

fn texts(layers: &Layers, section: Section) -> BTreeMap<String, String> {
    layers.section(section).map(|(name, given)| (name.clone(), given.text.clone())).collect()
}

fn keys(outline: &Outline) -> Vec<Key> {
    let Outline { sources, sinks, settings, .. } = outline;
    [(Section::Sources, sources), (Section::Sinks, sinks), (Section::Settings, settings)]
        .into_iter()
        .flat_map(|(section, names)| names.iter().map(move |name| (section, name.clone())))
        .collect()
}

/// Refuses names that the job does not have, where they were written.
fn refuse_unknown(layers: &Layers, outline: &Outline, jobs: usize) -> Result<()> {
    let known = keys(outline);
    for (key, given) in layers.all() {
        let (section, name) = key;
        if *section == Section::Run || known.contains(key) {
            continue;
        }
        let what = format!("the job has no {} `{}`", section.one(), shown(name));
        let same = known.iter().filter(|(of, _)| of == section).map(|(_, name)| name.as_str());
        let mut hint = did_you_mean(name, same);
        if jobs > 1 && matches!(given.origin, Origin::File(_)) {
            hint.push_str("; what is for another job goes below [jobs.NAME]");
        }
        return Err(given.origin.wrong(what).hint(hint));
    }
    Ok(())
}

/// Adds where the value was written that the job refuses, if the refusal is about one.
fn name_origin(mut refusal: JobError, layers: &Layers) -> JobError {
    let Some(place) = &refusal.place else { return refusal };
    let found = layers.all().find(|((section, name), _)| {
        let bare = *section == Section::Sources && place == name;
        *section != Section::Run && (bare || is_about(place, *section, name))
    });
    if let Some((_, given)) = found {
        refusal.place = Some(format!("{}: {place}", given.origin));
    }
    refusal
}

/// Whether a place reads `setting window`, or `setting zones=file` with the value.
fn is_about(place: &str, section: Section, name: &str) -> bool {
    let rest = place.strip_prefix(section.one()).and_then(|rest| rest.strip_prefix(' '));
    let rest = rest.and_then(|rest| rest.strip_prefix(name));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}
