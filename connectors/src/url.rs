//! URLs of sources and sinks: `scheme:path?key=value&key=value`, where the path may itself be a glob
//! with `?`.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;
use waystream_engine::did_you_mean;
use waystream_engine::error::{JobError, Result};
use waystream_engine::time::parse_duration;

/// The URL of a source or a sink in its parts. Nothing is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// What stands before the first colon.
    pub scheme: String,
    /// What follows, without a leading `//`, up to the query: a file, a folder, a glob, a name, or
    /// nothing.
    pub path: String,
    query: Vec<(String, String)>,
}

impl Url {
    /// Takes a URL apart. A `?` starts the query only if `key=` follows it.
    ///
    /// # Errors
    /// If there is no scheme, or the query has no `key=value`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            JobError::configuration(format!("`{text}` is no URL: {why}"))
                .hint("write scheme:path?key=value")
        };
        let (scheme, rest) = text
            .split_once(':')
            .ok_or_else(|| wrong("it has no scheme").hint(with_scheme(text)))?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, query) = split_query(rest);
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (key, value) =
                part.split_once('=').ok_or_else(|| wrong(&format!("`{part}` is not key=value")))?;
            if pairs.iter().any(|(other, _)| other == key) {
                return Err(wrong(&format!("`{key}` is given twice")));
            }
            pairs.push((key.to_owned(), value.to_owned()));
        }
        Ok(Self { scheme: scheme.to_lowercase(), path: path.to_owned(), query: pairs })
    }

    /// The path of a source or sink that needs one.
    ///
    /// # Errors
    /// If there is none.
    pub fn needed_path(&self) -> Result<&str> {
        if self.path.is_empty() {
            let scheme = &self.scheme;
            return Err(JobError::configuration(format!("`{scheme}:` does not say where"))
                .hint(format!("write {scheme}:PATH")));
        }
        Ok(&self.path)
    }

    /// The value of a key as text, if given.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(other, _)| other == key).map(|(_, value)| value.as_str())
    }

    /// The value of a key as a number, if given.
    ///
    /// # Errors
    /// If it is no such number.
    pub fn number<T: FromStr>(&self, key: &str) -> Result<Option<T>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        let wrong = || {
            JobError::configuration(format!("`{key}={text}` is not a fitting number"))
                .hint(format!("write a number in its range, as in {key}=10"))
        };
        text.replace('_', "").parse().map(Some).map_err(|_| wrong())
    }

    /// The value of a key as a size such as `64MiB`, `100kB` or `4096`, if given; in bytes, not 0.
    ///
    /// # Errors
    /// If it is no such size.
    pub fn bytes(&self, key: &str) -> Result<Option<u64>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        parse_bytes(text).filter(|bytes| *bytes > 0).map(Some).ok_or_else(|| {
            JobError::configuration(format!("`{key}={text}` is not a size"))
                .hint("write a number of bytes such as 64MiB")
        })
    }

    /// The value of a key as a duration such as `500ms` or `5min`, if given.
    ///
    /// # Errors
    /// If it is none.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        parse_duration(text).map(Some).map_err(|why| {
            JobError::configuration(format!("`{key}={text}`: {why}"))
                .hint(format!("write it as in {key}=30s"))
        })
    }

    /// Refuses keys that are not among these.
    ///
    /// # Errors
    /// If there is one, with the name that was probably meant.
    pub fn allow(&self, known: &[&str]) -> Result<()> {
        let Some((key, _)) = self.query.iter().find(|(key, _)| !known.contains(&key.as_str()))
        else {
            return Ok(());
        };
        let what = format!("unknown key `{key}` in the URL of `{}:`", self.scheme);
        Err(JobError::configuration(what).hint(did_you_mean(key, known.iter().copied())))
    }
}

/// The error of a scheme that this binary was built without.
#[cfg(not(feature = "kafka"))]
pub(crate) fn not_built_in(feature: &str) -> JobError {
    JobError::configuration(format!("this binary was built without `{feature}:`"))
        .hint(format!("build it with it: cargo run --release --features {feature} -- …"))
}

/// What to write for a URL that has no scheme: by the ending of its path, if that tells.
fn with_scheme(text: &str) -> String {
    let ending = Path::new(split_query(text).0).extension().and_then(|ending| ending.to_str());
    match ending {
        Some("jsonl" | "json" | "ndjson") => format!("write jsonl:{text}"),
        Some(known @ ("csv" | "parquet")) => format!("write {known}:{text}"),
        _ => format!("write its form in front: jsonl:{text} or parquet:{text}"),
    }
}

/// Splits before a `?` that is followed by `key=`; any other belongs to the glob.
fn split_query(rest: &str) -> (&str, &str) {
    for (at, _) in rest.match_indices('?') {
        let after = &rest[at + 1..];
        let key = after.split('=').next().unwrap_or_default();
        let is_key = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if is_key && !key.is_empty() && key.len() < after.len() {
            return (&rest[..at], after);
        }
    }
    (rest.strip_suffix('?').unwrap_or(rest), "")
}

fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit: u64 = match text[digits..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use std::fmt::Write as _;

    #[test]
    fn urls() {
        let mut out = String::new();
        for text in [
            "parquet:a/*.parquet?speed=60x&map=lat:location.lat,ts:time",
            "parquet:///abs/x.parquet",
            "jsonl:day?.jsonl",
            "jsonl:day?.jsonl?speed=max",
            "gen://fleet?entities=5_000",
            "a/b.jsonl",
            "a.csv",
            "a/*.parquet?speed=60x",
            "a",
            "stdout:",
            "jsonl:/var/c:d.jsonl",
            "jsonl:x?speed=1x&y",
            "jsonl:x?speed=1x&speed=2x",
            "jsonl:x?spede=1x",
            "jsonl:x?entities=-1",
        ] {
            let parsed = Url::parse(text).and_then(|url| {
                url.allow(&["speed", "map", "entities"])?;
                let entities = url.number::<u32>("entities")?;
                Ok(format!("{} | {} | {:?} | {entities:?}", url.scheme, url.path, url.query))
            });
            match parsed {
                Ok(url) => writeln!(out, "{url}").unwrap(),
                Err(error) => writeln!(out, "{error}; {:?}", error.hint).unwrap(),
            }
        }
        expect![[r#"
            parquet | a/*.parquet | [("speed", "60x"), ("map", "lat:location.lat,ts:time")] | None
            parquet | /abs/x.parquet | [] | None
            jsonl | day?.jsonl | [] | None
            jsonl | day?.jsonl | [("speed", "max")] | None
            gen | fleet | [("entities", "5_000")] | Some(5000)
            `a/b.jsonl` is no URL: it has no scheme; Some("write jsonl:a/b.jsonl")
            `a.csv` is no URL: it has no scheme; Some("write csv:a.csv")
            `a/*.parquet?speed=60x` is no URL: it has no scheme; Some("write parquet:a/*.parquet?speed=60x")
            `a` is no URL: it has no scheme; Some("write its form in front: jsonl:a or parquet:a")
            stdout |  | [] | None
            jsonl | /var/c:d.jsonl | [] | None
            `jsonl:x?speed=1x&y` is no URL: `y` is not key=value; Some("write scheme:path?key=value")
            `jsonl:x?speed=1x&speed=2x` is no URL: `speed` is given twice; Some("write scheme:path?key=value")
            unknown key `spede` in the URL of `jsonl:`; Some("did you mean `speed`?")
            `entities=-1` is not a fitting number; Some("write a number in its range, as in entities=10")
        "#]].assert_eq(&out);
    }

    #[test]
    fn reads_sizes() {
        let table = [
            ("4096", Some(4096)),
            ("64MiB", Some(64 << 20)),
            ("1kB", Some(1000)),
            ("2gib", Some(2 << 30)),
            ("MiB", None),
            ("1.5MiB", None),
            ("-1", None),
            ("99999999999GiB", None),
            ("1ö", None),
        ];
        for (text, bytes) in table {
            assert_eq!(parse_bytes(text), bytes, "{text}");
        }
    }
}
