//! How a sink delivers: exactly once or at least once, and what the URL says beside.

use super::address::{Address, check_topic};
use crate::format::WRITING;
use crate::url::Url;
use std::ops::RangeInclusive;
use std::time::Duration;
use waystream_engine::error::{JobError, Result};
use waystream_engine::time::{millis, mins, secs};

/// How long brokers keep a transaction of a process that is gone; until then readers of what is
/// committed wait behind it.
const TRANSACTION_TIMEOUT: Duration = secs(30);
/// What it may be set to. A transaction is open for milliseconds, whatever the time between
/// checkpoints; less than this and a busy broker ends it.
const TRANSACTION_TIMEOUTS: RangeInclusive<Duration> = secs(1)..=mins(15);
/// How long brokers that do not answer are tried again.
const RETRY_FOR: Duration = mins(5);

/// What is promised about each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guarantee {
    /// It is there once for who reads what is committed.
    ExactlyOnce,
    /// After a crash it may be there again.
    AtLeastOnce,
}

/// What the URL of a sink says.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) guarantee: Guarantee,
    /// Whether rows are added to a topic that other runs have written to, come what may.
    pub(super) appends: bool,
    /// The number of partitions of a topic that has to be made; the brokers' default if not given.
    pub(super) partitions: Option<i32>,
    pub(super) replication: Option<i32>,
    pub(super) transaction_timeout: Duration,
    pub(super) retry_for: Duration,
    pub(super) transactional_id: String,
    pub(super) marker_topic: String,
}

impl Delivery {
    pub(super) fn of(url: &Url, job: &str, sink: &str) -> Result<Self> {
        let own = [
            "delivery",
            "existing",
            "partitions",
            "replication",
            "transaction-timeout",
            "retry-for",
            "transactional-id",
            "markers",
            "properties",
        ];
        url.allow(&[&own[..], &WRITING].concat())?;
        let transaction_timeout =
            url.duration("transaction-timeout")?.unwrap_or(TRANSACTION_TIMEOUT);
        if !TRANSACTION_TIMEOUTS.contains(&transaction_timeout) {
            let (least, most) = (TRANSACTION_TIMEOUTS.start(), TRANSACTION_TIMEOUTS.end());
            return Err(JobError::configuration(format!(
                "`transaction-timeout` is {} ms, allowed are {} to {} ms",
                millis(transaction_timeout),
                millis(*least),
                millis(*most)
            ))
            .hint("leave it out: 30s fits every time between checkpoints"));
        }
        let marker_topic = match url.get("markers") {
            Some(topic) => topic.to_owned(),
            None => format!("{job}.{sink}.commits"),
        };
        check_topic(&marker_topic).map_err(|why| {
            JobError::configuration(format!("topic `{marker_topic}` for the markers: {why}"))
                .hint("name another with markers=TOPIC")
        })?;
        let transactional_id = url.get("transactional-id").map(str::to_owned);
        Ok(Self {
            guarantee: one_of(
                url,
                "delivery",
                [
                    ("exactly-once", Guarantee::ExactlyOnce),
                    ("at-least-once", Guarantee::AtLeastOnce),
                ],
            )?,
            appends: one_of(url, "existing", [("refuse", false), ("append", true)])?,
            partitions: positive(url, "partitions")?,
            replication: positive(url, "replication")?,
            transaction_timeout,
            retry_for: url.duration("retry-for")?.unwrap_or(RETRY_FOR),
            transactional_id: transactional_id.unwrap_or_else(|| format!("{job}.{sink}.0")),
            marker_topic,
        })
    }

    /// Where markers are.
    pub(super) fn marker_address(&self, rows: &Address) -> Address {
        Address { topic: self.marker_topic.clone(), ..rows.clone() }
    }
}

/// The value of a key that has two; the first is the default.
fn one_of<V: Copy>(url: &Url, key: &str, values: [(&str, V); 2]) -> Result<V> {
    let [(first, default), (second, _)] = values;
    let Some(text) = url.get(key) else { return Ok(default) };
    let found = values.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        JobError::configuration(format!("`{key}={text}` is not known"))
            .hint(format!("write {key}={first} or {key}={second}"))
    })
}

fn positive(url: &Url, key: &str) -> Result<Option<i32>> {
    let number = url.number::<i32>(key)?;
    match number {
        Some(..=0) => Err(JobError::configuration(format!("`{key}` is not above 0"))
            .hint(format!("write {key}=4, or leave it out"))),
        number => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(query: &str) -> Result<Delivery> {
        Delivery::of(&Url::parse(&format!("kafka://a:1/t?{query}")).unwrap(), "fleet", "trips")
    }

    #[test]
    fn names_follow_from_job_and_sink() {
        let of = delivery("").unwrap();
        assert_eq!(of.transactional_id, "fleet.trips.0");
        assert_eq!(of.marker_topic, "fleet.trips.commits");
        assert_eq!((of.guarantee, of.appends), (Guarantee::ExactlyOnce, false));
        let of = delivery("transactional-id=x&markers=y&delivery=at-least-once").unwrap();
        assert_eq!((of.transactional_id.as_str(), of.marker_topic.as_str()), ("x", "y"));
        assert_eq!(of.guarantee, Guarantee::AtLeastOnce);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            "delivery=twice",
            "existing=keep",
            "partitions=0",
            "partitions=-1",
            "partitions=x",
            "transaction-timeout=10ms",
            "transaction-timeout=1h",
            "transaction-timeout=30",
            "markers=a/b",
            "acks=0",
        ] {
            let error = delivery(wrong).unwrap_err();
            assert!(error.hint.is_some(), "{wrong}: {error}");
        }
    }
}
