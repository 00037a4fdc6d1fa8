//! The spec of a sink: a URL in the code, replaced by the deployment's if it names one.

use super::blackhole::BlackholeSink;
use super::claim::Owner;
use super::jsonl::JsonlSink;
use super::layout::{Layout, TextOf};
use super::parquet::{ParquetSink, ROLL_BYTES};
use super::stdout::StdoutSink;
use crate::url::Url;
use std::path::Path;
use std::sync::Arc;
use waystream_engine::did_you_mean;
use waystream_engine::error::{JobError, Result};
use waystream_engine::event::Data;
use waystream_engine::sink::Sink;
use waystream_engine::spec::{OpenContext, SinkSpec};

/// All schemes of sink URLs.
const SCHEMES: [&str; 5] = ["kafka", "jsonl", "parquet", "stdout", "blackhole"];

/// Where rows of type `T` go, by URL:
///
/// | URL | writes | after a crash |
/// |---|---|---|
/// | `kafka://HOST:PORT/TOPIC` | JSON objects, with the key of [`Output::key`] | each row once |
/// | `jsonl:FILE` | JSON lines | each row once |
/// | `parquet:DIR?roll=64MiB` | a Parquet file per `roll` staged bytes or 900 epochs | each row once |
/// | `stdout:` | JSON lines, committed rows only | the last rows may be printed again |
/// | `blackhole:` | nothing; rows are counted | each row counted once |
///
/// What the URL of a topic may say: `partitions=N` and `replication=N` of a topic that is missing and
/// made, `delivery=at-least-once`, which is cheaper and may write rows again after a crash,
/// `existing=append`, which adds rows to what other runs wrote, `transactional-id=ID`,
/// `markers=TOPIC`, `transaction-timeout=30s`, `retry-for=5min` (how long brokers that do not answer
/// are tried while the job runs), and `properties=FILE` for the client. Readers have to read what is
/// committed (`isolation.level=read_committed`). This needs the feature `kafka`.
///
/// Files that the sink did not write are never replaced: a hidden `.waystream` marker beside the
/// output says which sink it belongs to, and an output without one is refused unless it is empty.
///
/// A Parquet row is a struct of numbers, strings, bools, enums without values, `Option`s of these,
/// and `serde_json::Value`s, which become JSON text. The columns come from the type. A file appears
/// under its final name, `part-FIRST-LAST.parquet` after the epochs in it, when it is whole; the
/// rows of the file to come are kept in the checkpoint.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use waystream_connectors::sink::Output;
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Trip {
///     entity_id: String,
///     distance_m: f64,
/// }
///
/// let always = Output::<Trip>::to("jsonl:out/trips.jsonl");
/// let if_deployed = Output::<Trip>::named();
/// # drop((always, if_deployed));
/// ```
#[derive(Clone, Debug)]
pub struct Output<T> {
    url: Option<String>,
    layout: Layout<T>,
}

impl<T: Data> Output<T> {
    /// A sink that is written only if the deployment names a URL for it.
    #[must_use]
    pub fn named() -> Self {
        Self { url: None, layout: Layout::default() }
    }

    /// A sink with this URL unless the deployment names another.
    pub fn to(url: impl Into<String>) -> Self {
        Self { url: Some(url.into()), layout: Layout::default() }
    }

    /// What a row is about. In Kafka it is the record's key: rows of one key are in one partition, by
    /// the rule of the Java client, in the order they arose. Files do without.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use waystream_connectors::sink::Output;
    /// # #[derive(Clone, Serialize, Deserialize)]
    /// # struct Trip { entity_id: String }
    /// let trips = Output::<Trip>::named().key(|trip| trip.entity_id.as_str().into());
    /// # drop(trips);
    /// ```
    #[must_use]
    pub fn key(mut self, key: TextOf<T>) -> Self {
        self.layout.key = Some(key);
        self
    }

    /// Which rows say that what they are about is gone. In Kafka such a row is a tombstone: its key
    /// without a value. Files hold it as any other.
    #[must_use]
    pub fn removed_if(mut self, is_removal: fn(&T) -> bool) -> Self {
        self.layout.is_removal = Some(is_removal);
        self
    }

    /// A header that each record has in Kafka. At most 255.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: TextOf<T>) -> Self {
        self.layout.headers.push((name, value));
        self
    }
}

impl<T: Data> SinkSpec<T> for Output<T> {
    fn open(self, context: &OpenContext) -> Result<Option<Box<dyn Sink<T>>>> {
        let Some(url) = context.url.as_ref().or(self.url.as_ref()) else { return Ok(None) };
        open_url(url, self.layout, context)
            .map(Some)
            .map_err(|error| error.at(format!("sink {}", context.name)))
    }
}

fn open_url<T: Data>(
    url: &str,
    layout: Layout<T>,
    context: &OpenContext,
) -> Result<Box<dyn Sink<T>>> {
    let url = Url::parse(url)?;
    let disk = Arc::clone(&context.disk);
    let owner = Owner { sink: &context.name, history: &context.history };
    match url.scheme.as_str() {
        "kafka" => kafka(&url, layout, context),
        "jsonl" => {
            url.allow(&[])?;
            Ok(Box::new(JsonlSink::new(disk, place(&url)?, &owner)))
        }
        "parquet" => {
            url.allow(&["roll"])?;
            let roll_bytes = url.bytes("roll")?.unwrap_or(ROLL_BYTES);
            Ok(Box::new(ParquetSink::of::<T>(disk, place(&url)?, &owner, roll_bytes)?))
        }
        "stdout" => {
            no_place(&url)?;
            Ok(Box::new(StdoutSink))
        }
        "blackhole" => {
            no_place(&url)?;
            Ok(Box::new(BlackholeSink))
        }
        unknown => {
            let what = format!("unknown scheme `{unknown}:` of a sink URL");
            Err(JobError::configuration(what).hint(did_you_mean(unknown, SCHEMES)))
        }
    }
}

#[cfg(feature = "kafka")]
fn kafka<T: Data>(url: &Url, layout: Layout<T>, context: &OpenContext) -> Result<Box<dyn Sink<T>>> {
    Ok(Box::new(crate::kafka::KafkaSink::new(url, layout, context)?))
}

#[cfg(not(feature = "kafka"))]
fn kafka<T: Data>(_: &Url, _: Layout<T>, _: &OpenContext) -> Result<Box<dyn Sink<T>>> {
    Err(crate::url::not_built_in("kafka"))
}

/// The file or folder of a sink.
fn place(url: &Url) -> Result<&Path> {
    let path = url.needed_path()?;
    match path.split_once('?') {
        None => Ok(Path::new(path)),
        Some((place, rest)) => {
            let scheme = &url.scheme;
            let what = format!("`{rest}` in the URL of `{scheme}:` is not key=value");
            Err(JobError::configuration(what)
                .hint(format!("write {scheme}:{place}, and a place without `?`")))
        }
    }
}

/// Refuses a place and settings where none have a meaning.
fn no_place(url: &Url) -> Result<()> {
    url.allow(&[])?;
    if url.path.is_empty() {
        return Ok(());
    }
    let Url { scheme, path, .. } = url;
    Err(JobError::configuration(format!("`{scheme}:{path}` names a place that means nothing"))
        .hint(format!("write {scheme}:")))
}

#[cfg(test)]
mod tests;
