//! The live state of an entity: its latest position and how many there were.

use super::fix::Fix;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use waystream_operators::{Cell, Change, Located, Resolution, Shown};

/// The latest state of one entity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latest {
    fix: Option<Fix>,
    cell: Option<Cell>,
    events: u64,
}

impl Latest {
    /// Takes the next position in event-time order; always a change, as it counts.
    pub fn observe(&mut self, fix: Fix, resolution: Resolution) -> bool {
        self.cell = Some(Cell::of(fix.position(), resolution));
        self.fix = Some(fix);
        self.events += 1;
        true
    }
}

/// A row of the sink `live`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveRow {
    /// Who.
    pub entity_id: CompactString,
    /// `upsert` or `remove`.
    pub change: CompactString,
    /// Event time of the latest position, epoch milliseconds.
    pub ts_ms: Option<i64>,
    /// Degrees north.
    pub lat: Option<f64>,
    /// Degrees east.
    pub lon: Option<f64>,
    /// Metres per second.
    pub speed: Option<f32>,
    /// Degrees clockwise from north.
    pub heading: Option<f32>,
    /// What it is.
    pub kind: Option<CompactString>,
    /// H3 cell.
    pub cell: Option<Cell>,
    /// Positions so far.
    pub events: Option<u64>,
}

impl From<Change<CompactString, Latest>> for LiveRow {
    fn from(change: Change<CompactString, Latest>) -> Self {
        let (entity_id, change, state) = match change {
            Change::Upsert { key, state } => (key, "upsert", state),
            Change::Remove { key } => (key, "remove", Latest::default()),
        };
        let fix = state.fix;
        let events = fix.as_ref().map(|_| state.events);
        Self {
            entity_id,
            change: change.into(),
            ts_ms: fix.as_ref().map(|fix| fix.ts),
            lat: fix.as_ref().map(|fix| fix.lat),
            lon: fix.as_ref().map(|fix| fix.lon),
            speed: fix.as_ref().and_then(|fix| fix.speed),
            heading: fix.as_ref().and_then(|fix| fix.heading),
            kind: fix.and_then(|fix| fix.kind),
            cell: state.cell,
            events,
        }
    }
}

impl LiveRow {
    /// What the row means for the view `live`.
    #[must_use]
    pub fn shown(&self) -> Shown {
        let key = self.entity_id.to_string();
        if self.is_removal() { Shown::Gone(key) } else { Shown::Row(key) }
    }

    /// Whether the entity is gone.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        self.change == "remove"
    }
}
