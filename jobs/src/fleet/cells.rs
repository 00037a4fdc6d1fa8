//! Counts of one H3 cell over one window.

use super::fix::Fix;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use waystream_operators::{Cell, Located, Pane, Position};

/// What a cell counts of a position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellEvent {
    entity_id: CompactString,
    position: Position,
    speed: Option<f32>,
}

impl From<Fix> for CellEvent {
    fn from(fix: Fix) -> Self {
        let position = fix.position();
        Self { entity_id: fix.entity_id, position, speed: fix.speed }
    }
}

impl Located for CellEvent {
    fn position(&self) -> Position {
        self.position
    }
}

/// The counts of a cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CellCount {
    n: u64,
    entities: BTreeSet<CompactString>,
    speed_n: u64,
    speed_sum: f64,
}

impl CellCount {
    /// Counts a position.
    pub fn add(&mut self, event: &CellEvent) {
        self.n += 1;
        if !self.entities.contains(&event.entity_id) {
            self.entities.insert(event.entity_id.clone());
        }
        if let Some(speed) = event.speed {
            self.speed_n += 1;
            self.speed_sum += f64::from(speed);
        }
    }
}

/// A row of the sink `cells`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellRow {
    /// Start of the window, epoch milliseconds.
    pub window_start_ms: i64,
    /// The cell.
    pub cell: Cell,
    /// Positions.
    pub n: u64,
    /// Distinct entities, exactly.
    pub entities: u64,
    /// Positions with a known speed.
    pub speed_n: u64,
    /// Sum of the known speeds, metres per second.
    pub speed_sum: Option<f64>,
    /// Mean of the known speeds, metres per second.
    pub speed_avg: Option<f64>,
}

impl From<Pane<Cell, CellCount>> for CellRow {
    fn from(pane: Pane<Cell, CellCount>) -> Self {
        let CellCount { n, entities, speed_n, speed_sum } = pane.value;
        let known = speed_n > 0;
        Self {
            window_start_ms: pane.start.0,
            cell: pane.key,
            n,
            entities: entities.len() as u64,
            speed_n,
            speed_sum: known.then_some(speed_sum),
            speed_avg: known.then(|| speed_sum / speed_n as f64),
        }
    }
}
