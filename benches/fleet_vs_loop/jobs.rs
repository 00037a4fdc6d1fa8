//! The five queries as jobs, written with the public API only.

use crate::events::{self, Delta, SessionRow, WindowRow};
use crate::generate::Fence;
use crate::grid::{cell, distance_m};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;
use waystream::connectors::sink::Output;
use waystream::connectors::source::Input;
use waystream::engine::error::JobError;
use waystream::operators::{
    EventTime, Flow, Pane, Position, Session, Stream, Timestamp, Tumbling, Zones, secs,
};

type Event = events::Event<CompactString>;

fn events(flow: &Flow) -> Stream<Event> {
    let event_time = EventTime::by(|p: &Event| Timestamp(p.ts)).out_of_order(secs(5));
    flow.source("events", Input::records(), event_time)
}

/// F1: keeps what is faster than 5 m/s.
pub fn fast(flow: &Flow) {
    events(flow).filter(|p| p.speed > 5.0).sink("rows", Output::named());
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Latest {
    ts: Option<i64>,
    lat: f64,
    lon: f64,
    cell: i64,
    moved: f64,
}

impl Latest {
    fn observe(&mut self, p: Event) -> Option<Delta<CompactString>> {
        let Event { entity_id, ts, lat, lon, .. } = p;
        let (cell, prev) = (cell(lat, lon), self.cell);
        match self.ts {
            Some(last) if ts <= last => return None,
            Some(_) => self.moved += distance_m((self.lat, self.lon), (lat, lon)),
            None => {}
        }
        let moved = self.moved;
        *self = Self { ts: Some(ts), lat, lon, cell, moved };
        (cell != prev).then_some(Delta { entity_id, ts, cell, prev, moved, lat, lon })
    }
}

/// F2: the latest state of each entity with the distance it moved; a row when its cell changes.
pub fn latest(flow: &Flow) {
    events(flow)
        .key_by(|p| p.entity_id.clone())
        .stateful("latest", Latest::observe)
        .sink("rows", Output::named());
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Window {
    n: u64,
    speed_sum: f64,
    entities: BTreeSet<CompactString>,
}

impl Window {
    fn add(&mut self, p: &Event) {
        self.n += 1;
        self.speed_sum += p.speed;
        if !self.entities.contains(&p.entity_id) {
            self.entities.insert(p.entity_id.clone());
        }
    }

    fn row(Pane { key: cell, start, value, .. }: Pane<i64, Self>) -> WindowRow {
        let avg = value.speed_sum / value.n as f64;
        let distinct = value.entities.len() as u64;
        WindowRow { ws: start.0, cell, n: value.n, distinct, avg }
    }
}

/// F3: windows of 10 s per cell with count, distinct entities and mean speed.
pub fn windows(flow: &Flow) {
    events(flow)
        .key_by(|p| cell(p.lat, p.lon))
        .window(Tumbling::of(secs(10)))
        .aggregate("windows", Window::add)
        .map(Window::row)
        .sink("rows", Output::named());
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Inside {
    ts: Option<i64>,
    zones: Vec<u32>,
}

#[derive(Clone, Serialize, Deserialize)]
struct CrossingRow {
    entity_id: CompactString,
    ts: i64,
    fence: CompactString,
    ev: CompactString,
}

impl Inside {
    fn observe(&mut self, zones: &Zones, p: &Event) -> Vec<CrossingRow> {
        if self.ts.is_some_and(|last| p.ts <= last) {
            return Vec::new();
        }
        self.ts = Some(p.ts);
        let mut now = Vec::new();
        zones.containing(Position::clamped(p.lat, p.lon), &mut now);
        if now == self.zones {
            return Vec::new();
        }
        let row = |zone: &u32, ev: &str| CrossingRow {
            entity_id: p.entity_id.clone(),
            ts: p.ts,
            fence: zones.name(*zone).clone(),
            ev: ev.into(),
        };
        let entered = now.iter().filter(|zone| !self.zones.contains(zone));
        let left = self.zones.iter().filter(|zone| !now.contains(zone));
        let rows = entered.map(|zone| row(zone, "enter")).chain(left.map(|zone| row(zone, "exit")));
        let rows = rows.collect();
        self.zones = now;
        rows
    }
}

/// F4: entering and leaving any of 1,000 fences. A position that is not newer than the one before
/// is dropped first, which is why this is not `geofence` alone.
pub fn crossings(flow: &Flow, fences: &Path) {
    let zones = zones(fences).unwrap_or_else(|error| {
        flow.refuse(error);
        Zones::default()
    });
    events(flow)
        .key_by(|p| p.entity_id.clone())
        .stateful("crossings", move |inside: &mut Inside, p| inside.observe(&zones, &p))
        .sink("rows", Output::named());
}

fn zones(fences: &Path) -> Result<Zones, JobError> {
    let unread = |error| JobError::configuration("cannot read the fences").caused_by(error);
    let text = std::fs::read_to_string(fences).map_err(unread)?;
    let fences: Vec<Fence> = serde_json::from_str(&text)
        .map_err(|error| JobError::configuration("cannot read the fences").caused_by(error))?;
    let features: Vec<_> = fences.iter().map(feature).collect();
    let collection = serde_json::json!({ "type": "FeatureCollection", "features": features });
    Ok(Zones::from_geojson(&collection.to_string())?)
}

fn feature(fence: &Fence) -> serde_json::Value {
    let closed = fence.pts.iter().chain(fence.pts.first());
    let ring: Vec<_> = closed.map(|[lat, lon]| [*lon, *lat]).collect();
    serde_json::json!({
        "type": "Feature",
        "properties": { "id": fence.id.to_string() },
        "geometry": { "type": "Polygon", "coordinates": [ring] },
    })
}

/// F5: sessions of each entity, closed by a gap of 60 s.
pub fn sessions(flow: &Flow) {
    let gap = secs(60);
    events(flow)
        .key_by(|p| p.entity_id.clone())
        .window(Session::gap(gap))
        .aggregate("sessions", |n: &mut u64, _| *n += 1, |n, later| *n += later)
        .map(move |pane| {
            let (start, end) = (pane.start.0, pane.end.before(gap).0);
            SessionRow { entity_id: pane.key, start, end, n: pane.value }
        })
        .sink("rows", Output::named());
}
