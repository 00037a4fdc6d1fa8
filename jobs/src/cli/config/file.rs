//! A configuration file as a layer. Every complaint names the file, the line and the column.

use super::layers::{Entry, Given, Origin, Section, shown};
use super::options::{Kind, OPTIONS};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};
use waystream_engine::did_you_mean;
use waystream_engine::error::{JobError, Result, way_out};

/// Longer files are none that somebody wrote.
const MAX_BYTES: u64 = 1 << 20;

/// Whose jobs a file may speak of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jobs<'a> {
    /// The job to be run.
    pub(super) wanted: &'a str,
    /// All jobs of this binary.
    pub(super) known: &'a [&'a str],
    /// Whether others are passed over, because the file serves more than this binary.
    pub(super) others_are_fine: bool,
}

/// Reads a file; `None` if there is none.
pub(super) fn read(path: &Path, jobs: Jobs<'_>) -> Result<Option<Vec<Entry>>> {
    let shown = path.display().to_string();
    let cannot = |why: String| JobError::configuration(why).at(shown.clone());
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 > MAX_BYTES => {
            let why = format!("a configuration file has at most {} KiB", MAX_BYTES >> 10);
            return Err(cannot(why).hint("is this the file you meant?"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::IsADirectory => {
            return Err(cannot("this is a folder, not a configuration file".to_owned())
                .hint("name a file in it"));
        }
        Err(error) => {
            let what = cannot("cannot read the configuration".to_owned());
            return Err(what.hint(way_out(&error)).caused_by(error));
        }
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        cannot(format!("line {line} is not UTF-8")).hint("save the file as UTF-8")
    })?;
    parse(&shown, text, jobs).map(Some)
}

/// Reads the text of a file.
pub(super) fn parse(file: &str, text: &str, jobs: Jobs<'_>) -> Result<Vec<Entry>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let starts = text.match_indices('\n').map(|(at, _)| at + 1);
    let reader = Reader { file, text, lines: std::iter::once(0).chain(starts).collect() };
    let root = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let error = reader.wrong(at, error.message().to_owned());
        error.hint(
            "mend the line: a section is [run], and below it stands name = \"text\" or name = 1",
        )
    })?;
    let (mut own, mut general) = (Vec::new(), Vec::new());
    for (name, value) in root.get_ref() {
        if name.get_ref() != "jobs" {
            reader.section(name, value, &["jobs"], &mut general)?;
            continue;
        }
        for (job, value) in reader.table("jobs", value)? {
            let is_known = jobs.known.contains(&job.get_ref().as_ref());
            if !is_known && !jobs.others_are_fine {
                return Err(reader.unknown(job, "job", jobs.known.iter().copied()));
            }
            let mut entries = Vec::new();
            for (name, value) in reader.table(&format!("jobs.{}", job.get_ref()), value)? {
                reader.section(name, value, &[], &mut entries)?;
            }
            if job.get_ref() == jobs.wanted {
                own.append(&mut entries);
            }
        }
    }
    own.extend(general);
    Ok(own)
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    /// Where each line starts.
    lines: Vec<usize>,
}

type Name<'a> = Spanned<std::borrow::Cow<'a, str>>;
type Value<'a> = Spanned<DeValue<'a>>;

impl Reader<'_> {
    /// One of the four sections; `besides` are names that may stand beside them.
    fn section(
        &self,
        name: &Name<'_>,
        value: &Value<'_>,
        besides: &[&str],
        entries: &mut Vec<Entry>,
    ) -> Result<()> {
        let section = Section::ALL.into_iter().find(|section| section.name() == name.get_ref());
        let Some(section) = section else {
            let known = Section::ALL.iter().map(|section| section.name());
            return Err(self.unknown(name, "section", known.chain(besides.iter().copied())));
        };
        for (name, value) in self.table(section.name(), value)? {
            let (text, at) = match section {
                Section::Run => (self.option(name, value)?, value),
                Section::Settings => (self.setting(name, value)?, value),
                Section::Sources | Section::Sinks => self.url(section, name, value)?,
            };
            let origin = Origin::File(self.place(at.span().start));
            entries.push(((section, name.get_ref().to_string()), Given { text, origin }));
        }
        Ok(())
    }

    fn option(&self, name: &Name<'_>, value: &Value<'_>) -> Result<String> {
        let kind = OPTIONS.iter().find(|(option, _)| option == name.get_ref());
        let Some((option, kind)) = kind else {
            return Err(self.unknown(name, "option", OPTIONS.iter().map(|(option, _)| *option)));
        };
        match (kind, value.get_ref()) {
            (Kind::Number, DeValue::Integer(number)) => Ok(decimal(number)),
            (Kind::Text, DeValue::String(text)) => Ok(text.to_string()),
            (Kind::Switch, DeValue::Boolean(on)) => Ok(on.to_string()),
            (kind, other) => {
                let wanted = match kind {
                    Kind::Number => "a whole number without quotes",
                    Kind::Text => "a text in quotes",
                    Kind::Switch => "true or false without quotes",
                };
                let what = format!("`{option}` is {wanted}, not of type {}", other.type_str());
                Err(self.wrong(value.span().start, what))
            }
        }
    }

    fn setting(&self, name: &Name<'_>, value: &Value<'_>) -> Result<String> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text.to_string()),
            DeValue::Integer(number) => Ok(decimal(number)),
            DeValue::Float(number) => Ok(number.as_str().to_owned()),
            DeValue::Boolean(on) => Ok(on.to_string()),
            other => {
                let name = shown(name.get_ref());
                let what = format!("setting `{name}` cannot be of type {}", other.type_str());
                let error = self.wrong(value.span().start, what);
                Err(error.hint("write a text, a number, true or false"))
            }
        }
    }

    fn url<'v, 'i>(
        &self,
        section: Section,
        name: &Name<'_>,
        value: &'v Value<'i>,
    ) -> Result<(String, &'v Value<'i>)> {
        let path = format!("{}.{}", section.name(), shown(name.get_ref()));
        let table = self.table(&path, value)?;
        if let Some((other, _)) = table.iter().find(|(key, _)| key.get_ref() != "url") {
            return Err(self.unknown(other, "key", ["url"].into_iter()));
        }
        match table.iter().next() {
            None => {
                let error = self.wrong(value.span().start, format!("{path} has no `url`"));
                Err(error.hint("write url = \"…\", or take the section out"))
            }
            Some((_, value)) => match value.get_ref() {
                DeValue::String(url) => Ok((url.to_string(), value)),
                other => {
                    let what = format!("`url` is a text in quotes, not {}", other.type_str());
                    Err(self.wrong(value.span().start, what))
                }
            },
        }
    }

    fn table<'v, 'i>(&self, path: &str, value: &'v Value<'i>) -> Result<&'v DeTable<'i>> {
        value.get_ref().as_table().ok_or_else(|| {
            let what = format!("{path} is a section, not of type {}", value.get_ref().type_str());
            let key = if path.starts_with("sources.") || path.starts_with("sinks.") {
                "url = \"…\""
            } else {
                "key = value"
            };
            self.wrong(value.span().start, what).hint(format!("write [{path}], below it {key}"))
        })
    }

    fn unknown<'k>(
        &self,
        name: &Name<'_>,
        kind: &str,
        known: impl Iterator<Item = &'k str>,
    ) -> JobError {
        let what = format!("there is no {kind} `{}`", shown(name.get_ref()));
        self.wrong(name.span().start, what).hint(did_you_mean(name.get_ref(), known))
    }

    fn wrong(&self, at: usize, what: String) -> JobError {
        JobError::configuration(what).at(self.place(at))
    }

    fn place(&self, at: usize) -> String {
        let line = self.lines.partition_point(|start| *start <= at);
        let start = self.lines[line.saturating_sub(1)];
        let column = self.text.get(start..at).map_or(0, |before| before.chars().count()) + 1;
        format!("{}:{line}:{column}", self.file)
    }
}

/// An integer as people write it, whatever the file writes.
fn decimal(number: &DeInteger<'_>) -> String {
    let value = i64::from_str_radix(number.as_str(), number.radix());
    value.map_or_else(|_| number.to_string(), |value| value.to_string())
}
