//! Asks a schema registry, and tells it schemas.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use ureq::Agent;
use waystream_engine::error::{JobError, Result};
use waystream_engine::time::{ms, secs};

/// How long one answer may take.
const ANSWER_WITHIN: Duration = secs(10);
/// How often a registry that does not answer is asked, and the first pause between.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = ms(200);
/// The longest schema that is taken, with all it refers to on one level.
const MAX_ANSWER_BYTES: u64 = 4 << 20;
/// Schemas that one may refer to, over all levels.
const MAX_REFERENCES: usize = 256;

/// The language of a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Kind {
    /// Avro, which the registry leaves unsaid.
    #[default]
    Avro,
    /// Protobuf.
    Protobuf,
    /// JSON Schema.
    Json,
}

/// Another schema that one refers to.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Reference {
    name: String,
    subject: String,
    version: i64,
}

/// A schema as the registry tells it.
#[derive(Clone, Debug, Deserialize)]
struct Answer {
    schema: String,
    #[serde(rename = "schemaType", default)]
    kind: Kind,
    #[serde(default)]
    references: Vec<Reference>,
}

/// A schema with everything that it refers to.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    pub(super) kind: Kind,
    pub(super) text: String,
    /// By the name it is referred to, innermost first.
    pub(super) referred: Vec<(String, String)>,
}

/// Where values of one topic have their schemas.
#[derive(Clone, Debug)]
pub(crate) struct Subject(pub(crate) String);

/// A schema registry.
#[derive(Clone)]
pub(crate) struct Registry {
    url: String,
    authorization: Option<String>,
    agent: Agent,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Registry {
    /// The registry at `http://HOST:PORT`, with what is to be said in `Authorization`, if anything.
    pub(crate) fn at(url: &str, authorization: Option<String>) -> Result<Self> {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(JobError::configuration(format!("`registry={url}` is no address"))
                .hint("write registry=http://HOST:PORT"));
        }
        let config = Agent::config_builder()
            .timeout_global(Some(ANSWER_WITHIN))
            .http_status_as_error(false)
            .max_redirects(0)
            .build();
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { url, authorization, agent: config.into() })
    }

    /// The schema of a number; `None` if the registry has none.
    pub(super) fn schema(&self, id: u32) -> Result<Option<Schema>> {
        let answer: Option<Answer> = self.get(&format!("/schemas/ids/{id}"))?;
        let Some(answer) = answer else { return Ok(None) };
        let mut referred = Vec::new();
        self.collect(&answer.references, &mut referred)?;
        Ok(Some(Schema { kind: answer.kind, text: answer.schema, referred }))
    }

    fn collect(&self, references: &[Reference], into: &mut Vec<(String, String)>) -> Result<()> {
        for Reference { name, subject, version } in references {
            if into.iter().any(|(known, _)| known == name) {
                continue;
            }
            if into.len() == MAX_REFERENCES {
                let what = format!("a schema of {} refers to more than {MAX_REFERENCES}", self.url);
                return Err(JobError::configuration(what).hint("write it with fewer"));
            }
            let path = format!("/subjects/{}/versions/{version}", escaped(subject));
            let answer: Answer = self.get(&path)?.ok_or_else(|| {
                let what = format!("{} has no version {version} of `{subject}`", self.url);
                JobError::configuration(what).hint("a schema refers to it: register it again")
            })?;
            // Its place is taken before what it refers to is looked at, so a circle ends.
            into.push((name.clone(), answer.schema));
            self.collect(&answer.references, into)?;
        }
        Ok(())
    }

    /// The number of a schema of this subject, which is registered if it is not yet.
    pub(super) fn register(&self, subject: &Subject, kind: Kind, schema: &str) -> Result<u32> {
        #[derive(Serialize)]
        struct Asked<'a> {
            schema: &'a str,
            #[serde(rename = "schemaType")]
            kind: Kind,
        }
        #[derive(Deserialize)]
        struct Told {
            id: u32,
        }
        let body = serde_json::to_string(&Asked { schema, kind })
            .map_err(|error| JobError::failed("cannot ask for a schema").caused_by(error))?;
        let path = format!("/subjects/{}/versions", escaped(&subject.0));
        let told: Option<Told> = self.ask(&path, Some(&body))?;
        told.map(|told| told.id).ok_or_else(|| {
            JobError::configuration(format!("{} has no subject `{}`", self.url, subject.0))
                .hint("let the registry take new subjects, or name another with subject=NAME")
        })
    }

    fn get<T: for<'de> Deserialize<'de>>(&self, path: &str) -> Result<Option<T>> {
        self.ask(path, None)
    }

    /// Asks until there is an answer; `None` if what is asked for is not there.
    fn ask<T: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        body: Option<&str>,
    ) -> Result<Option<T>> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let (status, text) = match self.once(path, body) {
                Ok(answer) => answer,
                Err(error) if attempt == TRIES => return Err(self.silent(&error.to_string())),
                Err(_) => (0, String::new()),
            };
            match status {
                200 => {
                    return serde_json::from_str(&text).map(Some).map_err(|error| {
                        JobError::unavailable(format!("{}{path} tells no schema", self.url))
                            .hint("check that a schema registry answers there")
                            .caused_by(error)
                    });
                }
                404 => return Ok(None),
                0 | 429 | 500.. if attempt < TRIES => std::thread::park_timeout(pause),
                0 | 429 | 500.. => return Err(self.silent(&format!("it answers {status}"))),
                _ => {
                    let said: String = text.chars().take(200).collect();
                    let what = format!("{}{path} refuses with {status}: {said}", self.url);
                    return Err(JobError::configuration(what).hint(
                        "correct the schema or its compatibility, or the rights to the registry",
                    ));
                }
            }
            pause *= 2;
        }
        Ok(None)
    }

    fn once(&self, path: &str, body: Option<&str>) -> Result<(u16, String), ureq::Error> {
        const JSON: &str = "application/vnd.schemaregistry.v1+json";
        let url = format!("{}{path}", self.url);
        let said = self.authorization.as_deref();
        let mut response = match body {
            None => {
                let request = self.agent.get(url).header("Accept", JSON);
                said.into_iter()
                    .fold(request, |r, value| r.header("Authorization", value))
                    .call()?
            }
            Some(body) => {
                let request = self.agent.post(url).header("Content-Type", JSON);
                said.into_iter()
                    .fold(request, |r, value| r.header("Authorization", value))
                    .send(body)?
            }
        };
        let status = response.status().as_u16();
        let text = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_string()?;
        Ok((status, text))
    }

    fn silent(&self, why: &str) -> JobError {
        JobError::unavailable(format!("no schema from {}: {why}", self.url)).hint(
            "check that the schema registry runs there, and run the job again: it goes on where it stopped",
        )
    }
}

/// A name as part of a path.
fn escaped(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(byte as char)
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
