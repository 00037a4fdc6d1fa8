//! Processor seconds of the engine and of a hand-written loop for the same queries in the same run.
//!
//! `cargo bench --bench fleet_vs_loop -- [F1 … F5] [--events N] [--entities N] [--data DIR] [--out DIR]`
//!
//! Both sides read the same file and write their rows to a file (in `--out`, else beside the data).
//! Compare the ratio, not the seconds: it says the same on a busy machine. Without `--bench`, which
//! cargo passes, a small fleet is run to see that the bench still works.

mod cpu;
mod engine;
mod events;
mod generate;
mod grid;
mod hand_loop;
mod jobs;

use generate::Fleet;
use hand_loop::{QUERIES, Query};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

const SMALL: Fleet = Fleet { entities: 2_000, events: 20_000 };
const FULL: Fleet = Fleet { entities: 100_000, events: 5_000_000 };
/// Rows out of F1 to F5, counted by independent programs over the same events.
const KNOWN_ROWS: [(Fleet, [u64; 5]); 2] = [
    (SMALL, [14_821, 4_416, 15_674, 2_686, 2_541]),
    (FULL, [3_696_792, 867_258, 508_682, 598_204, 525_669]),
];

struct Options {
    queries: Vec<Query>,
    fleet: Fleet,
    data: PathBuf,
    out: PathBuf,
}

/// What one side did: its rows and what they cost.
struct Measured {
    rows: u64,
    cpu_s: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = parse(std::env::args().skip(1))?;
    let data = prepare(&options)?;
    println!("{} events of {} entities", options.fleet.events, options.fleet.entities);
    println!("query       rows  loop CPU s  loop ns/event  engine CPU s  engine / loop");
    for query in &options.queries {
        let out = |side: &str| options.out.join(format!("{query:?}.{side}.jsonl"));
        let by_hand = measure(|| hand_loop::run(*query, &data, &out("loop")))?;
        check_rows(options.fleet, *query, "loop", by_hand.rows)?;
        let engine = measure(|| engine::engine(*query, &data, &out("engine")))?;
        check_rows(options.fleet, *query, "engine", engine.rows)?;
        if engine.rows != by_hand.rows {
            let (engine, by_hand) = (engine.rows, by_hand.rows);
            return Err(format!("{query:?}: {engine} rows of the engine, {by_hand} by hand").into());
        }
        print_row(*query, options.fleet, &by_hand, &engine);
    }
    Ok(())
}

fn print_row(query: Query, fleet: Fleet, by_hand: &Measured, engine: &Measured) {
    let Measured { rows, cpu_s } = by_hand;
    let per_event_ns = cpu_s / fleet.events as f64 * 1e9;
    let (engine_s, ratio) = (engine.cpu_s, engine.cpu_s / cpu_s);
    println!(
        "{query:?}   {rows:>10}  {cpu_s:>10.2}  {per_event_ns:>13.0}  {engine_s:>12.2}  {ratio:>13.2}"
    );
}

fn measure(run: impl FnOnce() -> std::io::Result<u64>) -> std::io::Result<Measured> {
    let before_s = cpu::seconds()?;
    let rows = run()?;
    Ok(Measured { rows, cpu_s: cpu::seconds()? - before_s })
}

/// A fast wrong answer is no answer: rows must be as many as they are known to be.
fn check_rows(fleet: Fleet, query: Query, side: &str, rows: u64) -> Result<(), Box<dyn Error>> {
    let known = KNOWN_ROWS.iter().find(|(known, _)| *known == fleet);
    match known.map(|(_, rows)| rows[query as usize]) {
        Some(known) if known != rows => {
            Err(format!("{query:?}: {side} gave {rows} rows, there are {known}").into())
        }
        _ => Ok(()),
    }
}

/// Generates the events once for each size; a folder that is there is complete.
fn prepare(options: &Options) -> std::io::Result<PathBuf> {
    let Fleet { entities, events } = options.fleet;
    let folder = options.data.join(format!("fleet-{entities}-{events}"));
    if !folder.exists() {
        let unfinished = options.data.join(format!("unfinished-{}", std::process::id()));
        generate::write(&unfinished, options.fleet)?;
        fs::rename(&unfinished, &folder)?;
    }
    fs::create_dir_all(&options.out)?;
    Ok(folder)
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let (mut queries, mut out) = (Vec::new(), None);
    let mut data = Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned();
    let (mut events, mut entities, mut full) = (None, None, false);
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--bench" => full = true,
            "--events" => events = Some(value()?.parse()?),
            "--entities" => entities = Some(value()?.parse()?),
            "--data" => data = value()?.into(),
            "--out" => out = Some(value()?.into()),
            name => match QUERIES.iter().find(|query| format!("{query:?}") == name) {
                Some(query) => queries.push(*query),
                None => {
                    return Err(format!("`{name}` is neither a query F1 to F5 nor a flag").into());
                }
            },
        }
    }
    if queries.is_empty() {
        queries = QUERIES.to_vec();
    }
    let default = if full { FULL } else { SMALL };
    let out = out.unwrap_or_else(|| data.join("rows"));
    let fleet = Fleet {
        entities: entities.unwrap_or(default.entities),
        events: events.unwrap_or(default.events),
    };
    Ok(Options { queries, fleet, data, out })
}
