//! Rows of the sinks `crossings`, `trips` and `stops`: what the operators put out, with the entity's id
//! as a column of its own. The columns are spelled out because a Parquet sink takes them from the
//! struct, and a flattened one has no fields known beforehand.

use super::fix::Fix;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use waystream_operators::{Crossing, CrossingKind, Stop, Trip};

/// An entity entering or leaving a zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossingRow {
    /// Who.
    pub entity_id: CompactString,
    /// The zone's name.
    pub zone: CompactString,
    /// `enter` or `exit`.
    pub event: CrossingKind,
    /// Event time of the first position on the other side, epoch milliseconds.
    pub ts_ms: i64,
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
}

impl From<Crossing<Fix>> for CrossingRow {
    fn from(crossing: Crossing<Fix>) -> Self {
        let Crossing { zone, event, value } = crossing;
        let Fix { entity_id, ts, lat, lon, .. } = value;
        Self { entity_id, zone, event, ts_ms: ts, lat, lon }
    }
}

/// A trip that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TripRow {
    /// Who.
    pub entity_id: CompactString,
    /// Number of the entity's trip, from 0.
    pub trip: u64,
    /// First position, epoch milliseconds.
    pub start_ms: i64,
    /// Last position, epoch milliseconds.
    pub end_ms: i64,
    /// Positions.
    pub n: u64,
    /// Metres.
    pub distance_m: f64,
    /// Degrees north.
    pub start_lat: f64,
    /// Degrees east.
    pub start_lon: f64,
    /// Degrees north.
    pub end_lat: f64,
    /// Degrees east.
    pub end_lon: f64,
    /// Metres per second.
    pub max_speed: Option<f32>,
}

impl From<(CompactString, Trip)> for TripRow {
    fn from((entity_id, trip): (CompactString, Trip)) -> Self {
        Self {
            entity_id,
            trip: trip.trip,
            start_ms: trip.start_ms,
            end_ms: trip.end_ms,
            n: trip.n,
            distance_m: trip.distance_m,
            start_lat: trip.start_lat,
            start_lon: trip.start_lon,
            end_lat: trip.end_lat,
            end_lon: trip.end_lon,
            // The highest of 32-bit speeds is one of them.
            max_speed: trip.max_speed.map(|speed| speed as f32),
        }
    }
}

/// A stop that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopRow {
    /// Who.
    pub entity_id: CompactString,
    /// First position, epoch milliseconds.
    pub start_ms: i64,
    /// Last position, epoch milliseconds.
    pub end_ms: i64,
    /// Positions.
    pub n: u64,
    /// Degrees north.
    pub anchor_lat: f64,
    /// Degrees east.
    pub anchor_lon: f64,
    /// Degrees north.
    pub mean_lat: f64,
    /// Degrees east.
    pub mean_lon: f64,
}

impl From<(CompactString, Stop)> for StopRow {
    fn from((entity_id, stop): (CompactString, Stop)) -> Self {
        Self {
            entity_id,
            start_ms: stop.start_ms,
            end_ms: stop.end_ms,
            n: stop.n,
            anchor_lat: stop.anchor_lat,
            anchor_lon: stop.anchor_lon,
            mean_lat: stop.mean_lat,
            mean_lon: stop.mean_lon,
        }
    }
}
