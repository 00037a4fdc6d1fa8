//! The parts of a sink's URL: `scheme:place?key=value&…`.

use waystream_engine::error::{JobError, Result};
use waystream_engine::nearest;

/// A sink's URL, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SinkUrl<'a> {
    /// What kind of sink.
    pub(super) scheme: &'a str,
    /// File, folder or nothing.
    pub(super) place: &'a str,
    url: &'a str,
    query: Option<&'a str>,
}

impl<'a> SinkUrl<'a> {
    /// Takes a URL apart. Nothing is decoded: a place cannot contain a question mark.
    pub(super) fn parse(url: &'a str) -> Result<Self> {
        let Some((scheme, rest)) = url.split_once(':') else {
            return Err(JobError::configuration(format!("`{url}` is not a sink URL"))
                .hint(format!("for a file of JSON lines write jsonl:{url}")));
        };
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (rest, None),
        };
        Ok(Self { scheme, place, url, query })
    }

    /// The place of a sink that needs one.
    pub(super) fn needed_place(&self) -> Result<&'a str> {
        if self.place.is_empty() {
            let (url, scheme) = (self.url, self.scheme);
            return Err(JobError::configuration(format!("`{url}` does not say where"))
                .hint(format!("write {scheme}:PATH")));
        }
        Ok(self.place)
    }

    /// Refuses a place where none has a meaning.
    pub(super) fn no_place(&self) -> Result<()> {
        if self.place.is_empty() {
            return Ok(());
        }
        let (url, scheme) = (self.url, self.scheme);
        Err(JobError::configuration(format!("`{url}` names a place that means nothing"))
            .hint(format!("write {scheme}:")))
    }

    /// The settings after the question mark; refuses those not in `known`.
    pub(super) fn settings(&self, known: &[&str]) -> Result<Vec<(&'a str, &'a str)>> {
        let pairs = self.query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let mut settings: Vec<(&str, &str)> = Vec::new();
        for pair in pairs {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let url = self.url;
            if settings.iter().any(|(earlier, _)| *earlier == key) {
                return Err(JobError::configuration(format!("`{key}` stands twice in `{url}`")));
            }
            if !known.contains(&key) {
                let error = JobError::configuration(format!("unknown setting `{key}` in `{url}`"));
                return Err(error.hint(hint_at(key, known, self.scheme)));
            }
            settings.push((key, value));
        }
        Ok(settings)
    }
}

fn hint_at(key: &str, known: &[&str], scheme: &str) -> String {
    match nearest(key, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => format!("{scheme}: takes no settings"),
        None => format!("{scheme}: takes {}", known.join(", ")),
    }
}

/// Reads a number of bytes such as `64MiB`, `100kB` or `4096`.
pub(super) fn parse_bytes(text: &str) -> Option<u64> {
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

    #[test]
    fn takes_urls_apart() {
        let url = SinkUrl::parse("parquet:out/cells?roll=1MiB").unwrap();
        assert_eq!((url.scheme, url.place), ("parquet", "out/cells"));
        assert_eq!(url.settings(&["roll"]).unwrap(), [("roll", "1MiB")]);
        let url = SinkUrl::parse("jsonl:/var/c:d.jsonl").unwrap();
        assert_eq!((url.scheme, url.place), ("jsonl", "/var/c:d.jsonl"));
        assert!(url.settings(&[]).unwrap().is_empty());
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
