//! The manifest: the one small file that makes an epoch count.
//!
//! Text, so that people and other tools can read it: a first line with format and hash, then JSON.
//! Manifests are numbered densely; a worker of an older generation finds its number taken.

use super::segment::file_hash;
use crate::error::{JobError, Result};
use crate::key::KEY_GROUPS;
use crate::time::Epoch;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const FORMAT: u32 = 3;
const HEADER: &str = "waystream-manifest";

/// Everything that belongs to a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Place in the dense sequence of manifests.
    pub sequence: u64,
    /// The manifest this one goes on from; 0 if the history begins here. Manifests in between
    /// were given up and are never used again.
    pub follows: u64,
    /// Grows with every start of the job.
    pub generation: u64,
    /// The last epoch this checkpoint holds.
    pub epoch: Epoch,
    /// The job it belongs to.
    pub job: String,
    /// The histories whose epochs lead here, oldest first; this one is the last. Each but the first
    /// began with a savepoint of the one before. Empty until a run begins it.
    pub lineage: Vec<String>,
    /// The savepoint the history began with, by the hash of its manifest.
    pub savepoint: Option<String>,
    /// The stages that own state.
    pub stages: Vec<PlannedStage>,
    /// The kind of each sink: whose framing its owed rows have, and whose words its position is in.
    pub sinks: BTreeMap<String, String>,
    /// Key groups the segments are ordered by.
    pub key_groups: u16,
    /// State, oldest first; later entries win.
    pub segments: Vec<SegmentRef>,
    /// Rows that sinks still owe, oldest first.
    pub staged: Vec<StagedRef>,
    /// How far each sink has paid.
    pub confirmed: BTreeMap<String, Confirmed>,
    /// Whether the job read all of a bounded input and everything is paid.
    pub finished: bool,
}

/// A stage that owns state, as the job declared it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedStage {
    /// Its name.
    pub name: String,
    /// Kind and version of its state.
    pub schema: String,
}

/// A segment, by name, length and hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentRef {
    /// File name in the checkpoint folder.
    pub name: String,
    /// Length in bytes.
    pub length: u64,
    /// XXH3-128 in hexadecimal.
    pub hash: String,
    /// Last epoch in it.
    pub epoch: Epoch,
    /// 0 for what a worker wrote; n + 1 for what was merged from tier n.
    pub tier: u8,
}

/// Rows a worker staged for a sink: a block of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StagedRef {
    /// The sink.
    pub sink: String,
    /// The epoch they belong to.
    pub epoch: Epoch,
    /// How many.
    pub rows: u64,
    /// File name of the segment they are in.
    pub segment: String,
    /// Where in the file they start.
    pub start: u64,
    /// Bytes of rows.
    pub length: u64,
    /// CRC-32 of the rows.
    pub crc: u32,
}

/// How far a sink has made its rows visible, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmed {
    /// All rows up to this epoch are visible.
    pub epoch: Epoch,
    /// What the sink needs to go on from there.
    pub position: String,
}

impl Manifest {
    /// An empty checkpoint before the first epoch of a job.
    #[must_use]
    pub fn first(job: &str) -> Self {
        Self {
            sequence: 0,
            follows: 0,
            generation: 0,
            epoch: Epoch(0),
            job: job.to_owned(),
            lineage: Vec::new(),
            savepoint: None,
            stages: Vec::new(),
            sinks: BTreeMap::new(),
            key_groups: KEY_GROUPS,
            segments: Vec::new(),
            staged: Vec::new(),
            confirmed: BTreeMap::new(),
            finished: false,
        }
    }

    /// The file name of a manifest.
    #[must_use]
    pub fn file_name(sequence: u64) -> String {
        format!("manifest-{sequence:010}.json")
    }

    /// The sequence number in a file name, if it is a manifest's.
    #[must_use]
    pub fn sequence_of(name: &str) -> Option<u64> {
        let sequence = name.strip_prefix("manifest-")?.strip_suffix(".json")?.parse().ok()?;
        (Self::file_name(sequence) == name).then_some(sequence)
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let body = serde_json::to_string_pretty(self)
            .map_err(|error| JobError::checkpoint("cannot encode a manifest").caused_by(error))?;
        let hash = hash_of(FORMAT, &body);
        Ok(format!("{HEADER} {FORMAT} {hash}\n{body}\n").into_bytes())
    }

    /// Reads a manifest back. Accepts any bytes: what is not a manifest is an error.
    ///
    /// # Errors
    /// Says what is wrong, without the file's name.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let bad = |what: String| JobError::checkpoint(format!("not a sound manifest: {what}"));
        let other = |what: String| {
            JobError::configuration(format!("of another version: {what}"))
                .hint("run the version of waystream that wrote it, or start anew with --fresh")
        };
        let text = std::str::from_utf8(bytes).map_err(|_| bad("not UTF-8".into()))?;
        let (header, body) = text.split_once('\n').ok_or_else(|| bad("no header".into()))?;
        let body = body.strip_suffix('\n').ok_or_else(|| bad("cut off".into()))?;
        let mut words = header.split(' ');
        if words.next() != Some(HEADER) {
            return Err(bad("wrong header".into()));
        }
        let format: u32 = words
            .next()
            .and_then(|word| word.parse().ok())
            .ok_or_else(|| bad("no format".into()))?;
        // The hash is over the format too, since 2: a flipped bit in it is damage, no other version.
        if format >= 2 && words.next() != Some(hash_of(format, body).as_str()) {
            return Err(bad("wrong hash".into()));
        }
        if format != FORMAT {
            return Err(other(format!("format {format}, this program has {FORMAT}")));
        }
        let manifest: Self = serde_json::from_str(body)
            .map_err(|error| bad("wrong fields".into()).caused_by(error))?;
        if manifest.key_groups != KEY_GROUPS {
            let groups = manifest.key_groups;
            return Err(other(format!("{groups} key groups, this program has {KEY_GROUPS}")));
        }
        Ok(manifest)
    }

    /// Notes how far a sink has made its rows visible: those are not owed any more.
    pub(crate) fn paid(&mut self, sink: &str, confirmed: Confirmed) {
        self.staged.retain(|staged| staged.sink != sink || staged.epoch > confirmed.epoch);
        self.confirmed.insert(sink.to_owned(), confirmed);
    }

    /// Names of all files this checkpoint needs.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let staged = self.staged.iter().map(|staged| staged.segment.as_str());
        self.segments.iter().map(|segment| segment.name.as_str()).chain(staged)
    }
}

fn hash_of(format: u32, body: &str) -> String {
    file_hash(format!("{format}\n{body}").as_bytes())
}
