//! The events that both sides read and the rows that both write; `Id` is how a side holds a name.

use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
pub struct Event<Id> {
    pub entity_id: Id,
    pub ts: i64,
    pub lat: f64,
    pub lon: f64,
    pub speed: f64,
    pub heading: f64,
}

/// A row of F2.
#[derive(Clone, Serialize, Deserialize)]
pub struct Delta<Id> {
    pub entity_id: Id,
    pub ts: i64,
    pub cell: i64,
    pub prev: i64,
    pub moved: f64,
    pub lat: f64,
    pub lon: f64,
}

/// A row of F3.
#[derive(Clone, Serialize, Deserialize)]
pub struct WindowRow {
    pub ws: i64,
    pub cell: i64,
    pub n: u64,
    pub distinct: u64,
    pub avg: f64,
}

/// A row of F5.
#[derive(Clone, Serialize, Deserialize)]
pub struct SessionRow<Id> {
    pub entity_id: Id,
    pub start: i64,
    pub end: i64,
    pub n: u64,
}
