//! Properties of the client that a deployment adds: security, timeouts, buffers. They stand in a file,
//! since they hold secrets, and what exactly-once rests on cannot be changed by them.

use crate::url::Url;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rdkafka::ClientConfig;
use std::fmt;
use std::path::Path;
use waystream_engine::error::{JobError, Result};

/// What the job decides itself.
const OURS: [&str; 14] = [
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "check.crcs",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "isolation.level",
    "partitioner",
    "transaction.timeout.ms",
    "transactional.id",
    "metadata.broker.list",
];

/// Names the user of the schema registry, as other clients have it.
const REGISTRY_USER: &str = "schema.registry.basic.auth.user.info";

/// Properties by name, in the order of the file. Values are never printed.
#[derive(Clone, Default)]
pub(super) struct Settings {
    properties: Vec<(String, String)>,
    /// User and password for the schema registry, with a colon between.
    registry_user: Option<String>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.properties.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

impl Settings {
    /// Those of the file that the URL names with `properties=FILE`.
    pub(super) fn of(url: &Url) -> Result<Self> {
        let Some(path) = url.get("properties") else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(path).map_err(|error| {
            JobError::configuration(format!("cannot read the properties of Kafka in {path}"))
                .hint("name a file of lines such as security.protocol=SASL_SSL")
                .caused_by(error)
        })?;
        Self::parse(&text, Path::new(path))
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        let mut properties: Vec<(String, String)> = Vec::new();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', '!']) {
                continue;
            }
            let place = format!("{}:{}", path.display(), index + 1);
            let wrong = |what: String| JobError::configuration(format!("{place}: {what}"));
            let (name, value) = line.split_once('=').ok_or_else(|| {
                wrong("not NAME=VALUE".to_owned()).hint("write one property a line")
            })?;
            let (name, value) = (name.trim(), value.trim());
            if OURS.contains(&name) {
                return Err(wrong(format!("`{name}` is set by the job itself"))
                    .hint("remove the line: what is exactly-once rests on it"));
            }
            if properties.iter().any(|(other, _)| other == name) {
                return Err(
                    wrong(format!("`{name}` is given twice")).hint("remove one of the lines")
                );
            }
            properties.push((name.to_owned(), value.to_owned()));
        }
        let at = properties.iter().position(|(name, _)| name == REGISTRY_USER);
        let registry_user = at.map(|at| properties.remove(at).1);
        Ok(Self { properties, registry_user })
    }

    /// What is said to the schema registry in `Authorization`.
    pub(super) fn registry_authorization(&self) -> Option<String> {
        self.registry_user.as_ref().map(|user| format!("Basic {}", STANDARD.encode(user)))
    }

    pub(super) fn apply(&self, config: &mut ClientConfig) {
        for (name, value) in &self.properties {
            config.set(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings> {
        Settings::parse(text, Path::new("client.properties"))
    }

    #[test]
    fn properties_are_taken_without_being_shown() {
        let settings =
            parse("\u{feff}# to the broker\nsecurity.protocol = SASL_SSL\r\n\nsasl.password=a=b\n")
                .unwrap();
        assert_eq!(format!("{settings:?}"), r#"["security.protocol", "sasl.password"]"#);
        let mut config = ClientConfig::new();
        settings.apply(&mut config);
        assert_eq!(config.get("sasl.password"), Some("a=b"));
    }

    #[test]
    fn the_user_of_the_registry_is_no_property_of_the_client() {
        let settings = parse("schema.registry.basic.auth.user.info=user:secret\na=1").unwrap();
        assert_eq!(settings.registry_authorization().unwrap(), "Basic dXNlcjpzZWNyZXQ=");
        assert_eq!(format!("{settings:?}"), r#"["a"]"#);
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line() {
        let text = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(text("a=1\nb"), "client.properties:2: not NAME=VALUE");
        assert_eq!(text("a=1\na=2"), "client.properties:2: `a` is given twice");
        let ours = "client.properties:1: `isolation.level` is set by the job itself";
        assert_eq!(text("isolation.level=read_uncommitted"), ours);
    }
}
