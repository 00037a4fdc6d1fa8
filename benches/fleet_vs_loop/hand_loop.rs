//! What somebody would write by hand in place of the engine: one thread, standard maps, and nothing
//! kept when it stops. This is the floor that the engine is measured against.

use crate::events::{Delta, Event, SessionRow, WindowRow};
use crate::generate::Fence;
use crate::grid::{FenceIndex, cell, distance_m};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

const WINDOW_MS: i64 = 10_000;
const GAP_MS: i64 = 60_000;
const OUT_OF_ORDER_MS: i64 = 5_000;

/// The five questions put to the same events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// Keeps what is faster than 5 m/s.
    F1,
    /// Latest state of each entity with the distance it moved; a row when its cell changes.
    F2,
    /// Windows of 10 s per cell: count, distinct entities, mean speed.
    F3,
    /// Entering and leaving any of 1,000 fences.
    F4,
    /// Sessions of each entity, closed by a gap of 60 s.
    F5,
}

pub const QUERIES: [Query; 5] = [Query::F1, Query::F2, Query::F3, Query::F4, Query::F5];

/// Answers a query over `fleet.ndjson` in `data` with rows in the file `out`; gives their number.
pub fn run(query: Query, data: &Path, out: &Path) -> io::Result<u64> {
    match query {
        Query::F1 => drive(data, out, Fast),
        Query::F2 => drive(data, out, Latest::default()),
        Query::F3 => drive(data, out, Windows::default()),
        Query::F4 => drive(data, out, Fences::open(data)?),
        Query::F5 => drive(data, out, Sessions::default()),
    }
}

fn drive(data: &Path, out: &Path, mut query: impl Answer) -> io::Result<u64> {
    let mut input = BufReader::with_capacity(1 << 20, File::open(data.join("fleet.ndjson"))?);
    let mut rows = Rows { out: BufWriter::with_capacity(1 << 20, File::create(out)?), count: 0 };
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        query.take(&serde_json::from_str(&line)?, &mut rows)?;
        line.clear();
    }
    query.end(&mut rows)?;
    rows.out.flush()?;
    Ok(rows.count)
}

trait Answer {
    fn take(&mut self, event: &Event<&str>, rows: &mut Rows) -> io::Result<()>;

    fn end(&mut self, _rows: &mut Rows) -> io::Result<()> {
        Ok(())
    }
}

struct Rows {
    out: BufWriter<File>,
    count: u64,
}

impl Rows {
    fn put(&mut self, row: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, row)?;
        self.count += 1;
        self.out.write_all(b"\n")
    }
}

struct Fast;

impl Answer for Fast {
    fn take(&mut self, event: &Event<&str>, rows: &mut Rows) -> io::Result<()> {
        if event.speed > 5.0 { rows.put(event) } else { Ok(()) }
    }
}

#[derive(Default)]
struct Latest {
    states: HashMap<String, State>,
}

struct State {
    ts: i64,
    lat: f64,
    lon: f64,
    cell: i64,
    moved: f64,
}

impl Answer for Latest {
    fn take(&mut self, event: &Event<&str>, rows: &mut Rows) -> io::Result<()> {
        let Event { entity_id, ts, lat, lon, .. } = *event;
        let cell = cell(lat, lon);
        let (prev, moved) = match self.states.get_mut(entity_id) {
            None => {
                let state = State { ts, lat, lon, cell, moved: 0.0 };
                self.states.insert(entity_id.to_owned(), state);
                (0, 0.0)
            }
            Some(state) if ts <= state.ts => return Ok(()),
            Some(state) => {
                let moved = state.moved + distance_m((state.lat, state.lon), (lat, lon));
                let prev = state.cell;
                *state = State { ts, lat, lon, cell, moved };
                if prev == cell {
                    return Ok(());
                }
                (prev, moved)
            }
        };
        rows.put(&Delta { entity_id, ts, cell, prev, moved, lat, lon })
    }
}

#[derive(Default)]
struct Windows {
    open: BTreeMap<i64, HashMap<i64, Window>>,
    latest_ms: i64,
}

#[derive(Default)]
struct Window {
    n: u64,
    speed_sum: f64,
    entities: HashSet<String>,
}

impl Windows {
    /// Closes every window that ends at or before a time.
    fn close(&mut self, until_ms: i64, rows: &mut Rows) -> io::Result<()> {
        while let Some(first) = self.open.first_entry() {
            if first.key() + WINDOW_MS > until_ms {
                break;
            }
            let (ws, cells) = first.remove_entry();
            for (cell, window) in cells {
                let (n, distinct) = (window.n, window.entities.len() as u64);
                let avg = window.speed_sum / n as f64;
                rows.put(&WindowRow { ws, cell, n, distinct, avg })?;
            }
        }
        Ok(())
    }
}

impl Answer for Windows {
    fn take(&mut self, event: &Event<&str>, rows: &mut Rows) -> io::Result<()> {
        let start_ms = event.ts.div_euclid(WINDOW_MS) * WINDOW_MS;
        let cells = self.open.entry(start_ms).or_default();
        let window = cells.entry(cell(event.lat, event.lon)).or_default();
        window.n += 1;
        window.speed_sum += event.speed;
        if !window.entities.contains(event.entity_id) {
            window.entities.insert(event.entity_id.to_owned());
        }
        if event.ts <= self.latest_ms {
            return Ok(());
        }
        self.latest_ms = event.ts;
        self.close(event.ts - OUT_OF_ORDER_MS, rows)
    }

    fn end(&mut self, rows: &mut Rows) -> io::Result<()> {
        self.close(i64::MAX, rows)
    }
}

struct Fences {
    index: FenceIndex,
    entities: HashMap<String, Inside>,
}

struct Inside {
    ts: i64,
    fences: Vec<u32>,
}

#[derive(Serialize)]
struct Crossing<'a> {
    entity_id: &'a str,
    ts: i64,
    fence: u32,
    ev: &'a str,
}

impl Fences {
    fn open(data: &Path) -> io::Result<Self> {
        let file = BufReader::new(File::open(data.join("fences.json"))?);
        let fences: Vec<Fence> = serde_json::from_reader(file)?;
        Ok(Self { index: FenceIndex::new(fences), entities: HashMap::new() })
    }
}

impl Answer for Fences {
    fn take(&mut self, event: &Event<&str>, rows: &mut Rows) -> io::Result<()> {
        let Event { entity_id, ts, lat, lon, .. } = *event;
        let before = Inside { ts: i64::MIN, fences: Vec::new() };
        let state = self.entities.entry(entity_id.to_owned()).or_insert(before);
        if ts <= state.ts {
            return Ok(());
        }
        let now = self.index.around(lat, lon);
        for fence in now.iter().copied().filter(|fence| !state.fences.contains(fence)) {
            rows.put(&Crossing { entity_id, ts, fence, ev: "enter" })?;
        }
        for fence in state.fences.iter().copied().filter(|fence| !now.contains(fence)) {
            rows.put(&Crossing { entity_id, ts, fence, ev: "exit" })?;
        }
        *state = Inside { ts, fences: now };
        Ok(())
    }
}

#[derive(Default)]
struct Sessions {
    entities: HashMap<String, Vec<Session>>,
    due: BinaryHeap<Reverse<(i64, String)>>,
    latest_ms: i64,
}

#[derive(Clone, Copy)]
struct Session {
    start: i64,
    end: i64,
    n: u64,
}

impl Session {
    fn is_near(&self, other: &Self) -> bool {
        self.start < other.end + GAP_MS && other.start < self.end + GAP_MS
    }
}

impl Sessions {
    fn close(&mut self, until_ms: i64, rows: &mut Rows) -> io::Result<()> {
        while self.due.peek().is_some_and(|Reverse((due_ms, _))| *due_ms <= until_ms) {
            let Some(Reverse((_, entity_id))) = self.due.pop() else { break };
            let Some(sessions) = self.entities.get_mut(&entity_id) else { continue };
            for session in sessions.extract_if(.., |session| session.end + GAP_MS <= until_ms) {
                put_session(&entity_id, session, rows)?;
            }
        }
        Ok(())
    }
}

fn put_session(entity_id: &str, session: Session, rows: &mut Rows) -> io::Result<()> {
    let Session { start, end, n } = session;
    rows.put(&SessionRow { entity_id, start, end, n })
}

impl Answer for Sessions {
    fn take(&mut self, event: &Event<&str>, rows: &mut Rows) -> io::Result<()> {
        let sessions = self.entities.entry(event.entity_id.to_owned()).or_default();
        let mut session = Session { start: event.ts, end: event.ts, n: 1 };
        sessions.retain(|other| {
            let apart = !other.is_near(&session);
            if !apart {
                session.start = session.start.min(other.start);
                session.end = session.end.max(other.end);
                session.n += other.n;
            }
            apart
        });
        sessions.push(session);
        self.due.push(Reverse((session.end + GAP_MS, event.entity_id.to_owned())));
        if event.ts <= self.latest_ms {
            return Ok(());
        }
        self.latest_ms = event.ts;
        self.close(event.ts - OUT_OF_ORDER_MS, rows)
    }

    fn end(&mut self, rows: &mut Rows) -> io::Result<()> {
        for (entity_id, sessions) in std::mem::take(&mut self.entities) {
            sessions.into_iter().try_for_each(|session| put_session(&entity_id, session, rows))?;
        }
        Ok(())
    }
}
