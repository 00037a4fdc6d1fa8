//! A view behind `live` after a restart: every key of the checkpoint is there before its next event,
//! and nobody but the view is told again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use waystream::connectors::sink::Output;
use waystream::connectors::source::Input;
use waystream::connectors::websocket::Hub;
use waystream::engine::checkpoint::{Folder, LocalDisk};
use waystream::engine::job::{JobConfig, run};
use waystream::engine::spec::Deployment;
use waystream::operators::{Change, EventTime, Flow, Timestamp, ms};

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Ping {
    who: String,
    ts: i64,
}

/// How many records were looked at in all runs.
static LOOKED: AtomicUsize = AtomicUsize::new(0);

fn pings(flow: &Flow) {
    let time = |ping: &Ping| Timestamp(ping.ts);
    let live = flow
        .source("pings", Input::records().time_of(time), EventTime::by(time))
        .key_by(|ping| ping.who.clone())
        .live("last", |last: &mut i64, ping| *last = ping.ts)
        .inspect(|_| _ = LOOKED.fetch_add(1, Relaxed));
    live.clone().ticker("news");
    live.clone().sink("changes", Output::named());
    live.clone().view("last", Change::shown);
    let key_of = |change: &Change<String, i64>| match change {
        Change::Upsert { key, .. } | Change::Remove { key } => key.clone(),
    };
    live.key_by(key_of)
        .live("count", |count: &mut u32, _| *count += 1)
        .view("count", Change::shown);
}

/// The number in a row of a view.
fn shown(hub: &Hub, view: &str, key: &str) -> Option<usize> {
    let row = hub.view(view).get(key)?;
    let row: serde_json::Value = serde_json::from_str(&row).expect("JSON");
    row["upsert"]["state"].as_u64().map(|number| number as usize)
}

/// Runs the job until its views satisfy `until`; what they show in the end, and from which epoch
/// the run went on.
fn run_until(folder: &Path, workers: usize, until: impl Fn(&Hub) -> bool) -> (Hub, bool) {
    let hub = Hub::new(1);
    let mut deployment = Deployment { views: Some(Arc::new(hub.clone())), ..Default::default() };
    let path = |name: &str| folder.join(name).display().to_string();
    let input = format!("jsonl:{}?speed=1x", path("pings.jsonl"));
    deployment.sources.insert("pings".to_owned(), input);
    let changes = format!("jsonl:{}", path("changes.jsonl"));
    deployment.sinks.insert("changes".to_owned(), changes);
    let checkpoints = Folder::open(Arc::new(LocalDisk), folder.join("checkpoints"));
    let mut config = JobConfig::new("pings", checkpoints.expect("a folder"));
    config.workers = workers;
    config.checkpoint_every = ms(20);
    let stop = config.stop.clone();
    let job = std::thread::spawn(move || run(config, Flow::builder(deployment, pings)));
    let is_seen = (0..1_500).any(|_| {
        std::thread::park_timeout(ms(10));
        until(&hub) || job.is_finished()
    });
    stop.request();
    let outcome = job.join().expect("a worker").expect("the job stops");
    assert!(is_seen && until(&hub), "{hub:?}");
    (hub, outcome.resumed_from.is_some())
}

#[test]
fn a_table_behind_live_is_whole_again_before_any_event() {
    let folder = tempfile::tempdir().expect("a folder");
    // Nine who are heard once, then a minute of one that is heard all the time.
    let once = (1..10).map(|number| (format!("once-{number}"), number));
    let often = (0..1_200).map(|number| ("often".to_owned(), 10 + number * 50));
    let lines: Vec<String> = once
        .chain(often)
        .map(|(who, ts)| serde_json::json!({"who": who, "ts": ts}).to_string())
        .collect();
    std::fs::write(folder.path().join("pings.jsonl"), lines.join("\n") + "\n").expect("pings");
    let rows = || {
        let text = std::fs::read_to_string(folder.path().join("changes.jsonl")).expect("rows");
        text.lines().count()
    };

    let (hub, is_resumed) =
        run_until(folder.path(), 2, |hub| shown(hub, "count", "often") > Some(3));
    assert!(!is_resumed);
    let (before, heard) = (rows(), shown(&hub, "count", "often"));

    let (hub, is_resumed) =
        run_until(folder.path(), 3, |hub| shown(hub, "count", "often") > heard.map(|n| n + 3));
    assert!(is_resumed);
    for number in 1..10 {
        let key = format!("once-{number}");
        assert_eq!(shown(&hub, "last", &key), Some(number), "{key}");
        assert_eq!(shown(&hub, "count", &key), Some(1), "{key} is not counted again");
    }
    let after = rows();
    assert_eq!(hub.view("news").len(), after - before, "a list has what is new");
    assert_eq!(LOOKED.load(Relaxed), after, "each row is looked at, and written, once");
    assert_eq!(shown(&hub, "count", "often"), Some(after - 9));
}
