//! Source URLs: `scheme:path?key=value&key=value`, where the path may itself be a glob with `?`.

use std::str::FromStr;
use waystream_engine::error::{JobError, Result};
use waystream_engine::nearest;

/// A source URL in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceUrl {
    /// What stands before the first colon.
    pub scheme: String,
    /// What follows, without a leading `//`, up to the query.
    pub path: String,
    query: Vec<(String, String)>,
}

impl SourceUrl {
    /// Takes a URL apart. A `?` starts the query only if `key=` follows it.
    ///
    /// # Errors
    /// If there is no scheme or path, or the query has no `key=value`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            JobError::configuration(format!("`{text}` is no source URL: {why}")).hint(
                "write scheme:path?key=value, for example parquet:archive/*.parquet?speed=60x",
            )
        };
        let (scheme, rest) = text.split_once(':').ok_or_else(|| wrong("it has no scheme"))?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, query) = split_query(rest);
        if path.is_empty() {
            return Err(wrong("it names nothing after the scheme"));
        }
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
        let wrong = || JobError::configuration(format!("`{key}={text}` is not a fitting number"));
        text.replace('_', "").parse().map(Some).map_err(|_| wrong())
    }

    /// Refuses keys that are not among these.
    ///
    /// # Errors
    /// If there is one, with the name that was probably meant.
    pub fn allow(&self, known: &[&str]) -> Result<()> {
        for (key, _) in &self.query {
            if known.contains(&key.as_str()) {
                continue;
            }
            let what = format!("unknown key `{key}` in the URL of `{}:`", self.scheme);
            let hint = match nearest(key, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known keys: {}", known.join(", ")),
            };
            return Err(JobError::configuration(what).hint(hint));
        }
        Ok(())
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
            "jsonl:",
            "jsonl:x?speed=1x&y",
            "jsonl:x?speed=1x&speed=2x",
            "jsonl:x?spede=1x",
            "jsonl:x?entities=-1",
        ] {
            let parsed = SourceUrl::parse(text).and_then(|url| {
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
            `a/b.jsonl` is no source URL: it has no scheme; Some("write scheme:path?key=value, for example parquet:archive/*.parquet?speed=60x")
            `jsonl:` is no source URL: it names nothing after the scheme; Some("write scheme:path?key=value, for example parquet:archive/*.parquet?speed=60x")
            `jsonl:x?speed=1x&y` is no source URL: `y` is not key=value; Some("write scheme:path?key=value, for example parquet:archive/*.parquet?speed=60x")
            `jsonl:x?speed=1x&speed=2x` is no source URL: `speed` is given twice; Some("write scheme:path?key=value, for example parquet:archive/*.parquet?speed=60x")
            unknown key `spede` in the URL of `jsonl:`; Some("did you mean `speed`?")
            `entities=-1` is not a fitting number; None
        "#]].assert_eq(&out);
    }
}
