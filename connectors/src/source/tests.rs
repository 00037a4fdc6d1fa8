//! Tests of inputs: what a URL opens, and what is said when it opens nothing.

use super::Input;
use crate::generator::Generator;
use expect_test::expect;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use waystream_engine::checkpoint::LocalDisk;
use waystream_engine::error::Result;
use waystream_engine::source::{ReadBatch, ReadStatus, Source};
use waystream_engine::spec::{OpenContext, SourceSpec};
use waystream_engine::time::Timestamp;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ping {
    id: String,
    ts: i64,
    lat: f64,
}

fn open(input: Input<Ping>, url: Option<&str>) -> Result<Box<dyn Source<Record = Ping>>> {
    let url = url.map(str::to_owned);
    let (name, disk, history) = ("pings".to_owned(), Arc::new(LocalDisk), Default::default());
    input.open(&OpenContext { name, url, disk, history })
}

fn input() -> Input<Ping> {
    Input::records().generated("pings", |url| {
        url.allow(&["n"])?;
        let ping = |n: u64| Ping { id: format!("e{n}"), ts: n as i64, lat: 1.0 };
        Ok(Generator::new(2, ping).count(url.number("n")?.unwrap_or(10)))
    })
}

#[test]
fn urls() {
    let table = [
        None,
        Some("parquet:archive/*.parquet?speed=max"),
        Some("parquet:a.parquet?map=lat:location.lat&time-zone=Europe/Berlin"),
        Some("jsonl:///data/day?.jsonl"),
        Some("csv:a.csv"),
        Some("gen://pings?n=3"),
        Some("parqet:a.parquet"),
        Some("kafka://localhost:9092/pings"),
        Some("a.parquet"),
        Some("jsonl:a.jsonl?speed=60x"),
        Some("jsonl:a.jsonl?speed=fast"),
        Some("jsonl:a.jsonl?map=a:b"),
        Some("parquet:a.parquet?map=latt:b"),
        Some("parquet:a.parquet?map=lat"),
        Some("parquet:a.parquet?timezone=UTC"),
        Some("parquet:a.parquet?time-zone=Mars"),
        Some("gen://ping"),
        Some("gen://pings?n=many"),
    ];
    let mut out = String::new();
    for url in table {
        out += &format!("{}\n    ", url.unwrap_or("no URL"));
        out += &match open(input(), url) {
            Ok(source) => format!("{} bounded={}\n", source.identity(), source.is_bounded()),
            Err(error) => {
                let mut text = format!("{error}");
                if let Some(hint) = &error.hint {
                    text += &format!("\n    hint: {hint}");
                }
                text + "\n"
            }
        };
    }
    expect![[r#"
        no URL
            source `pings` has no URL
            hint: give one: --source pings=parquet:archive/*.parquet
        parquet:archive/*.parquet?speed=max
            parquet:archive/*.parquet bounded=true
        parquet:a.parquet?map=lat:location.lat&time-zone=Europe/Berlin
            parquet:a.parquet bounded=true
        jsonl:///data/day?.jsonl
            jsonl:/data/day?.jsonl bounded=true
        csv:a.csv
            csv:a.csv bounded=true
        gen://pings?n=3
            gen:pings/2 bounded=true
        parqet:a.parquet
            pings: unknown scheme `parqet:` of a source URL
            hint: did you mean `parquet`?
        kafka://localhost:9092/pings
            kafka topic pings bounded=false
        a.parquet
            pings: `a.parquet` is no URL: it has no scheme
            hint: write parquet:a.parquet
        jsonl:a.jsonl?speed=60x
            pings: `speed` needs the event time of a record
            hint: tell the job's input with .time_of(|record| record.ts), or drop `speed`
        jsonl:a.jsonl?speed=fast
            pings: `speed=fast` is no speed
            hint: write a multiple of real time, as in speed=60x, or speed=max
        jsonl:a.jsonl?map=a:b
            pings: unknown key `map` in the URL of `jsonl:`
            hint: known: speed
        parquet:a.parquet?map=latt:b
            pings: `map` names `latt`, which the record does not have
            hint: did you mean `lat`?
        parquet:a.parquet?map=lat
            pings: `map` has `lat`, which is not field:column
            hint: as in map=lat:location.lat,ts:time
        parquet:a.parquet?timezone=UTC
            pings: unknown key `timezone` in the URL of `parquet:`
            hint: did you mean `time-zone`?
        parquet:a.parquet?time-zone=Mars
            pings: `time-zone=Mars` is no known time zone: failed to find time zone `Mars` in time zone database
            hint: write an IANA name, such as UTC or Europe/Berlin
        gen://ping
            pings: there is no generator `ping` for this input
            hint: did you mean `pings`?
        gen://pings?n=many
            pings: `n=many` is not a fitting number
            hint: write a number in its range, as in n=10
    "#]].assert_eq(&out);
}

#[test]
fn the_deployment_wins_over_the_default() {
    let identity = |input, url| open(input, url).unwrap().identity();
    let with_default = || Input::at("jsonl:a.jsonl");
    assert_eq!(identity(with_default(), None), "jsonl:a.jsonl");
    assert_eq!(identity(with_default(), Some("csv:b.csv")), "csv:b.csv");
    let paced = with_default().time_of(|ping| Timestamp(ping.ts));
    assert_eq!(identity(paced, Some("jsonl:a.jsonl?speed=60x")), "jsonl:a.jsonl");
}

#[test]
fn a_generator_is_read() {
    let mut source = open(input(), Some("gen://pings?n=5")).unwrap();
    let partitions = source.partitions().unwrap();
    let mut reader = source.open(&partitions[1], None).unwrap();
    let mut batch = ReadBatch::default();
    assert_eq!(reader.read(&mut batch).unwrap(), ReadStatus::End);
    let ids: Vec<&str> = batch.records.iter().map(|(_, ping)| ping.id.as_str()).collect();
    assert_eq!(ids, ["e1", "e3"]);
}
