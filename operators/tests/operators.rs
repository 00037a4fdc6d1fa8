//! Every operator of this crate's `geo` and `window` folders on the real engine, two workers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use expect_test::{Expect, expect};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use waystream_engine::checkpoint::{Confirmed, Folder, LocalDisk};
use waystream_engine::error::Result;
use waystream_engine::event::Data;
use waystream_engine::job::{JobConfig, run};
use waystream_engine::operator::Operator;
use waystream_engine::plan::{Plan, Routing};
use waystream_engine::sink::{Committer, Encoder, Sink, StagedBatch};
use waystream_engine::source::{
    EventTime, Partition, Position as ReadPosition, ReadBatch, ReadStatus, Reader, Source,
};
use waystream_engine::time::{Epoch, Timestamp, ms, secs};
use waystream_operators::geo::{
    Geofence, Located, Moving, Position, StopRule, Stops, Trips, ZoneSource, Zones,
};
use waystream_operators::window::{Aggregate, Session, SessionAggregate, Sliding, Tumbling};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Ping {
    id: String,
    at_ms: i64,
    position: Position,
}

impl Located for Ping {
    fn position(&self) -> Position {
        self.position
    }
}

impl Moving for Ping {
    fn speed(&self) -> Option<f64> {
        Some(self.at_ms as f64 / 8.0)
    }
}

fn ping(id: &str, at_ms: i64, lon: f64) -> Ping {
    Ping { id: id.to_owned(), at_ms, position: Position::new(0.0, lon).unwrap() }
}

/// Yields its pings one read at a time, from one partition.
#[derive(Clone)]
struct Pings(Vec<Ping>);

impl Source for Pings {
    type Record = Ping;

    fn partitions(&mut self) -> Result<Vec<Partition>> {
        Ok(vec![Partition { index: 0, name: "only".to_owned() }])
    }

    fn open(
        &mut self,
        _partition: &Partition,
        _from: Option<&ReadPosition>,
    ) -> Result<Box<dyn Reader<Record = Ping>>> {
        Ok(Box::new(PingReader { pings: self.0.clone(), next: 0 }))
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn identity(&self) -> String {
        "pings".to_owned()
    }
}

struct PingReader {
    pings: Vec<Ping>,
    next: usize,
}

impl Reader for PingReader {
    type Record = Ping;

    fn read(&mut self, batch: &mut ReadBatch<Ping>) -> Result<ReadStatus> {
        let Some(ping) = self.pings.get(self.next) else { return Ok(ReadStatus::End) };
        batch.records.push((self.next as u64, ping.clone()));
        self.next += 1;
        Ok(ReadStatus::More)
    }
}

/// Keeps rows as lines of JSON.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl<T: Serialize + 'static> Sink<T> for Lines {
    fn encoder(&self) -> Box<dyn Encoder<T>> {
        Box::new(self.clone())
    }

    fn committer(&self) -> Result<Box<dyn Committer>> {
        Ok(Box::new(self.clone()))
    }
}

impl<T: Serialize> Encoder<T> for Lines {
    fn encode(&mut self, row: &T, into: &mut Vec<u8>) -> Result<()> {
        serde_json::to_writer(&mut *into, row).unwrap();
        into.push(b'\n');
        Ok(())
    }
}

impl Committer for Lines {
    fn recover(&mut self, _confirmed: Option<&Confirmed>) -> Result<()> {
        Ok(())
    }

    fn commit(&mut self, _epoch: Epoch, batches: Vec<StagedBatch>) -> Result<Option<Confirmed>> {
        let mut lines = self.0.lock().unwrap();
        for batch in batches {
            lines.extend(String::from_utf8(batch.bytes).unwrap().lines().map(str::to_owned));
        }
        Ok(None)
    }

    fn finish(&mut self, epoch: Epoch) -> Result<Option<Confirmed>> {
        Ok(Some(Confirmed { epoch, position: String::new() }))
    }
}

/// Runs pings, keyed by id, through an operator; the rows it emits and the late ones, sorted.
fn check<P, O>(pings: Vec<Ping>, operator: impl Fn() -> P + Send + Sync + 'static, rows: &Expect)
where
    P: Operator<String, Ping, Output = O>,
    O: Data,
{
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(LocalDisk);
    let mut config = JobConfig::new("test", Folder::open(disk, folder.path()).unwrap());
    config.workers = 2;
    let (out, late) = (Lines::default(), Lines::default());
    let sinks = (out.clone(), late.clone());
    let build = move |plan: &Plan| {
        let time = EventTime::by(|ping: &Ping| Timestamp(ping.at_ms));
        let input = plan.source("pings", Box::new(Pings(pings.clone())), time);
        let key = |ping: &Ping| ping.id.clone();
        let outputs = plan.keyed("operator", &input, key, Routing::Exchange, operator());
        plan.sink("out", &outputs.out, sinks.0.clone());
        plan.sink("late", &outputs.late, sinks.1.clone());
    };
    run(config, Arc::new(build)).unwrap();
    let sorted = |lines: &Lines| {
        let mut lines = lines.0.lock().unwrap().clone();
        lines.sort();
        lines
    };
    let mut lines = sorted(&out);
    lines.extend(sorted(&late).iter().map(|line| format!("late {line}")));
    rows.assert_eq(&lines.into_iter().map(|line| line + "\n").collect::<String>());
}

#[test]
fn geofence() {
    let zone = r#"{"type":"Feature","properties":{"id":"z"},"geometry":{"type":"Polygon",
        "coordinates":[[[0,-1],[2,-1],[2,1],[0,1],[0,-1]]]}}"#;
    let zones = ZoneSource::new(Zones::from_geojson(zone).unwrap());
    let pings = vec![
        ping("a", 0, -1.0),
        ping("a", 1, 1.0),
        ping("b", 2, 1.5),
        ping("a", 3, 1.5),
        ping("a", 4, 2.0),
        ping("a", 5, 0.5),
    ];
    check(
        pings,
        move || Geofence::new(zones.clone()),
        &expect![[r#"
            {"zone":"z","event":"enter","value":{"id":"a","at_ms":1,"position":{"lat":0.0,"lon":1.0}}}
            {"zone":"z","event":"enter","value":{"id":"a","at_ms":5,"position":{"lat":0.0,"lon":0.5}}}
            {"zone":"z","event":"enter","value":{"id":"b","at_ms":2,"position":{"lat":0.0,"lon":1.5}}}
            {"zone":"z","event":"exit","value":{"id":"a","at_ms":4,"position":{"lat":0.0,"lon":2.0}}}
        "#]],
    );
}

#[test]
fn trips() {
    let pings = vec![
        ping("a", 0, 0.0),
        ping("b", 5, 0.0),
        ping("a", 10, 0.0),
        ping("a", 21, 0.0),
        ping("b", 20, 0.0),
        ping("b", 60, 0.0),
    ];
    check(
        pings,
        || Trips::split_by(ms(10)),
        &expect![[r#"
            ["a",{"trip":0,"start_ms":0,"end_ms":10,"n":2,"distance_m":0.0,"start_lat":0.0,"start_lon":0.0,"end_lat":0.0,"end_lon":0.0,"max_speed":1.25}]
            ["a",{"trip":1,"start_ms":21,"end_ms":21,"n":1,"distance_m":0.0,"start_lat":0.0,"start_lon":0.0,"end_lat":0.0,"end_lon":0.0,"max_speed":2.625}]
            ["b",{"trip":0,"start_ms":5,"end_ms":5,"n":1,"distance_m":0.0,"start_lat":0.0,"start_lon":0.0,"end_lat":0.0,"end_lon":0.0,"max_speed":0.625}]
            ["b",{"trip":1,"start_ms":60,"end_ms":60,"n":1,"distance_m":0.0,"start_lat":0.0,"start_lon":0.0,"end_lat":0.0,"end_lon":0.0,"max_speed":7.5}]
            late {"id":"b","at_ms":20,"position":{"lat":0.0,"lon":0.0}}
        "#]],
    );
}

#[test]
fn stops() {
    let pings = vec![
        ping("a", 0, 0.0),
        ping("a", 300_000, 0.0),
        ping("a", 300_001, 1.0),
        ping("b", 400_000, 1.0),
        ping("a", 900_000, 1.0),
    ];
    check(
        pings,
        || Stops::by(StopRule { radius_m: 100.0, at_least: secs(300) }),
        &expect![[r#"
            ["a",{"start_ms":0,"end_ms":300000,"n":2,"anchor_lat":0.0,"anchor_lon":0.0,"mean_lat":0.0,"mean_lon":0.0}]
            ["a",{"start_ms":300001,"end_ms":900000,"n":2,"anchor_lat":0.0,"anchor_lon":1.0,"mean_lat":0.0,"mean_lon":1.0}]
        "#]],
    );
}

#[test]
fn aggregate() {
    let at = |times: &[i64]| times.iter().map(|time| ping("a", *time, 0.0)).collect::<Vec<_>>();
    check(
        at(&[1, 9, 12, 8, 25, 11, -3]),
        || Aggregate::over(Tumbling::of(ms(10)), |n: &mut u32, _| *n += 1).unwrap(),
        &expect![[r#"
            {"key":"a","window":{"start":0,"end":10},"value":2}
            {"key":"a","window":{"start":10,"end":20},"value":1}
            {"key":"a","window":{"start":20,"end":30},"value":1}
            late {"id":"a","at_ms":-3,"position":{"lat":0.0,"lon":0.0}}
            late {"id":"a","at_ms":11,"position":{"lat":0.0,"lon":0.0}}
            late {"id":"a","at_ms":8,"position":{"lat":0.0,"lon":0.0}}
        "#]],
    );
    check(
        at(&[1, 12, 8, 30, 12]),
        || {
            let sliding = Sliding::of(ms(10), ms(5));
            Aggregate::over(sliding, |n: &mut u32, _| *n += 1).unwrap()
        },
        &expect![[r#"
            {"key":"a","window":{"start":-5,"end":5},"value":1}
            {"key":"a","window":{"start":0,"end":10},"value":1}
            {"key":"a","window":{"start":10,"end":20},"value":1}
            {"key":"a","window":{"start":25,"end":35},"value":1}
            {"key":"a","window":{"start":30,"end":40},"value":1}
            {"key":"a","window":{"start":5,"end":15},"value":2}
            late {"id":"a","at_ms":12,"position":{"lat":0.0,"lon":0.0}}
        "#]],
    );
}

#[test]
fn session_aggregate() {
    let pings = [("a", 0), ("b", 3), ("a", 10), ("a", 21), ("b", 20), ("b", 40)];
    check(
        pings.map(|(id, time)| ping(id, time, 0.0)).to_vec(),
        || {
            SessionAggregate::over(
                Session::gap(ms(10)),
                |times: &mut Vec<i64>, event| times.push(event.time.0),
                |times, mut later| times.append(&mut later),
            )
            .unwrap()
        },
        &expect![[r#"
            {"key":"a","window":{"start":0,"end":20},"value":[0,10]}
            {"key":"a","window":{"start":21,"end":31},"value":[21]}
            {"key":"b","window":{"start":3,"end":13},"value":[3]}
            {"key":"b","window":{"start":40,"end":50},"value":[40]}
            late {"id":"b","at_ms":20,"position":{"lat":0.0,"lon":0.0}}
        "#]],
    );
}
