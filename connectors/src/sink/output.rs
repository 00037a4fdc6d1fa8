//! The spec of a sink: a URL in the code, replaced by the deployment's if it names one.

use super::blackhole::BlackholeSink;
use super::claim::Owner;
use super::jsonl::JsonlSink;
use super::parquet::{ParquetSink, ROLL_BYTES};
use super::stdout::StdoutSink;
use crate::url::Url;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use waystream_engine::did_you_mean;
use waystream_engine::error::{JobError, Result};
use waystream_engine::event::Data;
use waystream_engine::sink::Sink;
use waystream_engine::spec::{OpenContext, SinkSpec};

/// All schemes of sink URLs.
const SCHEMES: [&str; 4] = ["jsonl", "parquet", "stdout", "blackhole"];

/// Where rows of type `T` go, by URL:
///
/// | URL | writes | after a crash |
/// |---|---|---|
/// | `jsonl:FILE` | JSON lines | each row once |
/// | `parquet:DIR?roll=64MiB` | a Parquet file per `roll` staged bytes or 900 epochs | each row once |
/// | `stdout:` | JSON lines, committed rows only | the last rows may be printed again |
/// | `blackhole:` | nothing; rows are counted | each row counted once |
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
    row: PhantomData<fn(T)>,
}

impl<T: Data> Output<T> {
    /// A sink that is written only if the deployment names a URL for it.
    #[must_use]
    pub fn named() -> Self {
        Self { url: None, row: PhantomData }
    }

    /// A sink with this URL unless the deployment names another.
    pub fn to(url: impl Into<String>) -> Self {
        Self { url: Some(url.into()), row: PhantomData }
    }
}

impl<T: Data> SinkSpec<T> for Output<T> {
    fn open(self, context: &OpenContext) -> Result<Option<Box<dyn Sink<T>>>> {
        let Some(url) = context.url.as_ref().or(self.url.as_ref()) else { return Ok(None) };
        open_url(url, context).map(Some).map_err(|error| error.at(format!("sink {}", context.name)))
    }
}

fn open_url<T: Data>(url: &str, context: &OpenContext) -> Result<Box<dyn Sink<T>>> {
    let url = Url::parse(url)?;
    let disk = Arc::clone(&context.disk);
    let owner = Owner { sink: &context.name, history: &context.history };
    match url.scheme.as_str() {
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
