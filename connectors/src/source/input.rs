//! A job's input: the record's own rules in code, and a URL that says where the records are.

use super::Pace;
use super::pace::parse_speed;
use crate::file::{FileFormat, FileSource};
use crate::format::Check;
use crate::generator::Generator;
use crate::parquet::{Columns, ParquetSource};
use crate::url::Url;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use waystream_engine::clock::{Clock, SystemClock};
use waystream_engine::did_you_mean;
use waystream_engine::error::{JobError, Result};
use waystream_engine::event::Data;
use waystream_engine::source::Source;
use waystream_engine::spec::{OpenContext, SourceSpec};
use waystream_engine::time::Timestamp;

/// Bytes of rows that a Parquet source holds before it sorts on disk.
const DEFAULT_MEMORY_BYTES: usize = 256 << 20;
/// Schemes an input can be opened by.
const SCHEMES: [&str; 5] = ["kafka", "parquet", "jsonl", "csv", "gen"];

/// Makes a generator from its URL; see [`Input::generated`].
pub type MakeGenerator<R> = fn(&Url) -> Result<Generator<R>>;

/// Records of type `R` from wherever the URL says: `kafka://HOST:PORT/TOPIC`, `parquet:GLOB`,
/// `jsonl:GLOB`, `csv:GLOB` or `gen://NAME`.
///
/// The values of a Kafka topic are JSON objects unless `format=` says otherwise. `from=` says where a job that begins anew starts to
/// read: `earliest` (the default), `latest`, a time, or offsets such as `0:1200,1:1180`. With
/// `until=end` (what is committed at the start) or a time it is a bounded source. `group=NAME` is the
/// consumer group that committed offsets are published to, for monitoring; `group=none` publishes
/// none. `lost=earliest` goes on behind records that were removed before they were read, which is an
/// error otherwise. `discover=30s` is how often new partitions are looked for. `properties=FILE` adds
/// properties of the client, such as security. This needs the feature `kafka`.
///
/// CSV has a first line of names and is read as RFC 4180 has it; see [`crate::file`] for what comes of
/// a file that breaks the rules, and [`crate::parquet`] for what an archive may hold.
///
/// `speed=60x` replays files at sixty times their event time; `speed=max`, the default, as fast
/// as they can be read.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use waystream_connectors::format::Rejection;
/// use waystream_connectors::source::Input;
/// use waystream_engine::time::Timestamp;
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Ping {
///     courier: String,
///     ts: Timestamp,
///     lat: f64,
/// }
///
/// let pings = Input::at("jsonl:pings.jsonl?speed=60x")
///     .time_of(|ping: &Ping| ping.ts)
///     .check(|ping| match ping.lat {
///         -90.0..=90.0 => Ok(()),
///         lat => Err(Rejection::out_of_range(format!("`lat`: {lat} is not within -90..90"))),
///     });
/// ```
pub struct Input<R> {
    default_url: Option<String>,
    check: Option<Check<R>>,
    time_column: String,
    time_of: Option<fn(&R) -> Timestamp>,
    max_future: Option<Duration>,
    memory_bytes: usize,
    spill_dir: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    generators: Vec<(&'static str, MakeGenerator<R>)>,
}

impl<R: Data> Input<R> {
    /// Records from the URL that the deployment gives.
    #[must_use]
    pub fn records() -> Self {
        Self {
            default_url: None,
            check: None,
            time_column: "ts".to_owned(),
            time_of: None,
            max_future: None,
            memory_bytes: DEFAULT_MEMORY_BYTES,
            spill_dir: None,
            clock: Arc::new(SystemClock),
            generators: Vec::new(),
        }
    }

    /// Records from this URL, unless the deployment gives another.
    #[must_use]
    pub fn at(default_url: impl Into<String>) -> Self {
        Self { default_url: Some(default_url.into()), ..Self::records() }
    }

    /// A check of every decoded record; what it refuses goes to the dead letters.
    #[must_use]
    pub fn check(mut self, check: Check<R>) -> Self {
        self.check = Some(check);
        self
    }

    /// The field that holds event time, by which archives are put in order. `ts` unless said.
    #[must_use]
    pub fn time_column(mut self, field: impl Into<String>) -> Self {
        self.time_column = field.into();
        self
    }

    /// How event time is read from a record; needed for `speed=60x` and [`Self::max_future`].
    #[must_use]
    pub fn time_of(mut self, time_of: fn(&R) -> Timestamp) -> Self {
        self.time_of = Some(time_of);
        self
    }

    /// How far the time of a record may lie ahead of the time at which its log took it. What lies
    /// beyond goes to the dead letters, so that one wrong clock does not move the watermark past
    /// everybody else. Files do not tell when they took a record: there it says nothing.
    #[must_use]
    pub fn max_future(mut self, ahead: Duration) -> Self {
        self.max_future = Some(ahead);
        self
    }

    /// Bytes of rows that a Parquet source may hold before it sorts on disk; 256 MiB unless said.
    #[must_use]
    pub fn memory_bytes(mut self, bytes: usize) -> Self {
        self.memory_bytes = bytes;
        self
    }

    /// Where to sort on disk; the system's temporary directory unless said.
    #[must_use]
    pub fn spill_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.spill_dir = Some(dir.into());
        self
    }

    /// The clock that paces a replay.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// A generator to be found under `gen://NAME`.
    #[must_use]
    pub fn generated(mut self, name: &'static str, make: MakeGenerator<R>) -> Self {
        self.generators.push((name, make));
        self
    }

    fn pace(&self, url: &Url) -> Result<Option<Pace<R>>> {
        let speed = url.get("speed").map(parse_speed).transpose()?.flatten();
        let Some(speed) = speed else { return Ok(None) };
        let Some(time_of) = self.time_of else {
            return Err(JobError::configuration("`speed` needs the event time of a record")
                .hint("tell the job's input with .time_of(|record| record.ts), or drop `speed`"));
        };
        Ok(Some(Pace::new(speed, time_of, self.clock.clone())))
    }

    fn file(&self, url: &Url, format: FileFormat) -> Result<Box<dyn Source<Record = R>>> {
        url.allow(&["speed"])?;
        let source = FileSource::new(url.needed_path()?, format, self.check, self.pace(url)?);
        Ok(Box::new(source))
    }

    fn parquet(&self, url: &Url) -> Result<Box<dyn Source<Record = R>>> {
        url.allow(&["speed", "map", "time-zone"])?;
        let columns = Columns::new(&self.time_column, url.get("map"), url.get("time-zone"))?;
        columns.check_fields::<R>()?;
        let source = ParquetSource::new(url.needed_path()?, columns, self.memory_bytes)
            .spilling_to(self.spill_dir.clone())
            .checking(self.check)
            .at_pace(self.pace(url)?);
        Ok(Box::new(source))
    }

    #[cfg(feature = "kafka")]
    fn kafka(&self, url: &Url, context: &OpenContext) -> Result<Box<dyn Source<Record = R>>> {
        let (check, time_of, max_future) = (self.check, self.time_of, self.max_future);
        let rules = crate::kafka::Rules { check, time_of, max_future };
        Ok(Box::new(crate::kafka::KafkaSource::new(url, rules, context)?))
    }

    #[cfg(not(feature = "kafka"))]
    fn kafka(&self, _: &Url, _: &OpenContext) -> Result<Box<dyn Source<Record = R>>> {
        Err(crate::url::not_built_in("kafka"))
    }

    fn generator(&self, url: &Url) -> Result<Box<dyn Source<Record = R>>> {
        let made = self.generators.iter().find(|(name, _)| *name == url.path);
        let Some((name, make)) = made else {
            url.needed_path()?;
            let names: Vec<&str> = self.generators.iter().map(|(name, _)| *name).collect();
            let what = format!("there is no generator `{}` for this input", url.path);
            return Err(JobError::configuration(what).hint(did_you_mean(&url.path, names)));
        };
        let generator =
            make(url)?.named_by_default(format!("gen:{name}")).clock(self.clock.clone());
        Ok(Box::new(generator))
    }
}

impl<R: Data> SourceSpec<R> for Input<R> {
    fn open(self, context: &OpenContext) -> Result<Box<dyn Source<Record = R>>> {
        let Some(text) = context.url.as_ref().or(self.default_url.as_ref()) else {
            let what = format!("source `{}` has no URL", context.name);
            return Err(JobError::configuration(what)
                .hint(format!("give one: --source {}=parquet:archive/*.parquet", context.name)));
        };
        let opened = Url::parse(text).and_then(|url| match url.scheme.as_str() {
            "kafka" => self.kafka(&url, context),
            "parquet" => self.parquet(&url),
            "jsonl" => self.file(&url, FileFormat::Jsonl),
            "csv" => self.file(&url, FileFormat::Csv),
            "gen" => self.generator(&url),
            scheme => {
                let what = format!("unknown scheme `{scheme}:` of a source URL");
                Err(JobError::configuration(what).hint(did_you_mean(scheme, SCHEMES)))
            }
        });
        opened.map_err(|error| error.at(&context.name))
    }

    fn is_live(&self, context: &OpenContext) -> bool {
        let text = context.url.as_ref().or(self.default_url.as_ref());
        let url = text.and_then(|text| Url::parse(text).ok());
        url.is_some_and(|url| url.scheme == "kafka" && url.get("until").is_none())
    }
}

impl<R> fmt::Debug for Input<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("default_url", &self.default_url)
            .field("time_column", &self.time_column)
            .finish_non_exhaustive()
    }
}
