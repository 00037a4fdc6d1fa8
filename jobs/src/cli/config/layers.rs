//! The layers of configuration: for each key, the first layer that says something wins.

use std::collections::BTreeMap;
use std::fmt;
use waystream_engine::error::{ErrorKind, JobError};

/// What a key is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) enum Section {
    Run,
    Sources,
    Sinks,
    Settings,
}

impl Section {
    pub(super) const ALL: [Self; 4] = [Self::Run, Self::Sources, Self::Sinks, Self::Settings];

    /// The section's name in a file.
    pub(in crate::cli) fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Sources => "sources",
            Self::Sinks => "sinks",
            Self::Settings => "settings",
        }
    }

    /// One of what it holds.
    pub(in crate::cli) fn one(self) -> &'static str {
        match self {
            Self::Run => "option",
            Self::Sources => "source",
            Self::Sinks => "sink",
            Self::Settings => "setting",
        }
    }
}

/// Names one value: an option of the run, or a source, sink or setting of the job.
pub(in crate::cli) type Key = (Section, String);

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Origin {
    /// On the command line, by this flag.
    Flag(&'static str),
    /// In this environment variable.
    Variable(String),
    /// In a file: path, line and column.
    File(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Variable(at) | Self::File(at) => f.write_str(at),
        }
    }
}

impl Origin {
    /// A mistake made here: of usage on the command line, of configuration elsewhere.
    pub(super) fn wrong(&self, what: impl Into<String>) -> JobError {
        let kind = match self {
            Self::Flag(_) => ErrorKind::Usage,
            Self::Variable(_) | Self::File(_) => ErrorKind::Configuration,
        };
        JobError::new(kind, what).at(self.to_string())
    }
}

/// A value as text, and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Given {
    pub(in crate::cli) text: String,
    pub(in crate::cli) origin: Origin,
}

/// One value of a layer.
pub(super) type Entry = (Key, Given);

/// All that was given, from the strongest layer down.
#[derive(Debug, Default)]
pub(in crate::cli) struct Layers(BTreeMap<Key, Given>);

impl Layers {
    /// Adds a layer below those that are there.
    pub(super) fn add(&mut self, layer: Vec<Entry>) {
        for (key, given) in layer {
            self.0.entry(key).or_insert(given);
        }
    }

    pub(super) fn option(&self, name: &str) -> Option<&Given> {
        self.0.get(&(Section::Run, name.to_owned()))
    }

    /// The values of a section by name.
    pub(in crate::cli) fn section(
        &self,
        section: Section,
    ) -> impl Iterator<Item = (&String, &Given)> {
        let all = self.0.iter();
        all.filter(move |((of, _), _)| *of == section).map(|((_, name), given)| (name, given))
    }

    /// Everything, in the order of keys.
    pub(in crate::cli) fn all(&self) -> impl Iterator<Item = (&Key, &Given)> {
        self.0.iter()
    }
}

/// A text on one line, whatever characters it holds.
pub(in crate::cli) fn shown(text: &str) -> String {
    let shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().count() > 80 { format!("{shown}…") } else { shown }
}
