//! Where reading begins and ends: `from=` and `until=` in the URL of a source.

use crate::format::rfc3339_ms;
use crate::url::Url;
use std::collections::BTreeMap;
use waystream_engine::error::{JobError, Result};

/// Where a job that begins anew starts to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum From {
    /// The oldest record there is.
    #[default]
    Earliest,
    /// Records that come after the start of the job.
    Latest,
    /// The first record that the log says is of this time or later, in milliseconds since 1970.
    Time(i64),
    /// These offsets; partitions that are not named from their beginning.
    Offsets(BTreeMap<i32, i64>),
}

/// Where reading ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Behind the last record that is committed at the start.
    End,
    /// Before the first record that the log says is of this time or later.
    Time(i64),
}

impl From {
    pub(super) fn of(url: &Url) -> Result<Self> {
        let Some(text) = url.get("from") else { return Ok(Self::default()) };
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            _ => offsets(text)
                .map(Self::Offsets)
                .or_else(|| time_ms(text).map(Self::Time))
                .ok_or_else(|| {
                    JobError::configuration(format!("`from={text}` is no place in a topic")).hint(
                        "write earliest, latest, a time such as 2026-01-31T12:00:00Z, or offsets \
                         such as 0:1200,1:1180",
                    )
                }),
        }
    }
}

impl Until {
    pub(super) fn of(url: &Url) -> Result<Option<Self>> {
        let Some(text) = url.get("until") else { return Ok(None) };
        let until = match text {
            "end" => Some(Self::End),
            _ => time_ms(text).map(Self::Time),
        };
        until.map(Some).ok_or_else(|| {
            JobError::configuration(format!("`until={text}` is no place in a topic"))
                .hint("write end, or a time such as 2026-01-31T12:00:00Z")
        })
    }
}

fn time_ms(text: &str) -> Option<i64> {
    match text.parse::<i64>() {
        Ok(ms) => (ms >= 0).then_some(ms),
        Err(_) => rfc3339_ms(text).ok().filter(|ms| *ms >= 0),
    }
}

fn offsets(text: &str) -> Option<BTreeMap<i32, i64>> {
    let mut offsets = BTreeMap::new();
    for part in text.split(',') {
        let (partition, offset) = part.split_once(':')?;
        let (partition, offset): (i32, i64) = (partition.parse().ok()?, offset.parse().ok()?);
        if partition < 0 || offset < 0 || offsets.insert(partition, offset).is_some() {
            return None;
        }
    }
    Some(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Option<From> {
        From::of(&Url::parse(&format!("kafka://a:1/t?from={text}")).unwrap()).ok()
    }

    #[test]
    fn beginnings() {
        let offsets = |pairs: &[(i32, i64)]| Some(From::Offsets(pairs.iter().copied().collect()));
        assert_eq!(from("earliest"), Some(From::Earliest));
        assert_eq!(from("latest"), Some(From::Latest));
        assert_eq!(from("0:12,3:4"), offsets(&[(0, 12), (3, 4)]));
        assert_eq!(from("1700000000000"), Some(From::Time(1_700_000_000_000)));
        assert_eq!(from("2023-11-14T22:13:20Z"), Some(From::Time(1_700_000_000_000)));
        for wrong in ["newest", "0:1,0:2", "0:-1", "-1:0", "-5", "1:2:3", "2023-11-14"] {
            assert_eq!(from(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ends() {
        let until = |text: &str| Until::of(&Url::parse(&format!("kafka://a:1/t{text}")).unwrap());
        assert_eq!(until("").unwrap(), None);
        assert_eq!(until("?until=end").unwrap(), Some(Until::End));
        assert_eq!(until("?until=5").unwrap(), Some(Until::Time(5)));
        assert!(until("?until=never").is_err());
    }
}
