//! The server over real sockets: what a client folds is the view, and what breaks a rule is closed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attacks;
mod client;
mod connections;

use client::{Client, get, serve};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite;
use waystream_connectors::websocket::{Asset, Change, Hub, Server, ServerConfig, View, close_code};
use waystream_engine::error::ErrorKind;
use waystream_engine::time::Epoch;

/// Writes batches of upserts and removals until told to stop.
fn writer(view: View, number: u32, stop: Arc<AtomicBool>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut state = u64::from(number) + 1;
        while !stop.load(Ordering::Relaxed) {
            let changes = (0..20).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let key = format!("{number}-{}", (state >> 33) % 300);
                let row = json!({"n": state, "quote\"": key}).to_string();
                Change { key, row: (state >> 60 > 2).then(|| row.into()) }
            });
            view.apply(changes.collect());
            thread::park_timeout(Duration::from_micros(200));
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_join_during_writes_end_in_the_state_of_the_view() {
    let hub = Hub::new(7);
    let view = hub.view("live");
    let server = serve(&hub, |_| {});
    let stop = Arc::new(AtomicBool::new(false));
    let writers = [0, 1].map(|number| writer(view.clone(), number, stop.clone()));
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = Client::subscribed(server.address(), "live").await;
        for _ in 0..3 {
            client.fold_one().await;
        }
        clients.push(client);
    }
    hub.seal(Epoch(4));
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().unwrap();
    }
    view.upsert("last", "1");
    for client in &mut clients {
        client.fold_until(&view).await;
    }
    assert_eq!(view.at().epoch, 5);
    tokio::task::spawn_blocking(move || server.stop());
    assert_eq!(clients[0].closed().await, Some(close_code::GOING_AWAY));
}

#[tokio::test]
async fn a_slow_client_gets_the_latest_rows_and_not_all_that_passed() {
    let hub = Hub::new(7);
    let view = hub.view("live");
    let server = serve(&hub, |_| {});
    let mut slow = Client::subscribed(server.address(), "live").await;
    slow.fold_one().await;
    let wide = "x".repeat(1_000);
    let mut written = 0;
    for round in 0..300 {
        let row = json!({"round": round, "wide": wide}).to_string();
        let change = |key: u32| Change { key: key.to_string(), row: Some(row.clone().into()) };
        view.apply((0..400).map(change).collect());
        written += 400 * row.len();
        sleep(Duration::from_millis(3)).await;
    }
    slow.fold_until(&view).await;
    assert!(slow.bytes < written / 3, "{} of {written} bytes came", slow.bytes);
}

#[tokio::test]
async fn a_snapshot_takes_in_what_changes_while_it_is_sent() {
    let hub = Hub::new(7);
    let view = hub.view("live");
    let wide = json!("x".repeat(1_000)).to_string();
    let change = |key: u32| Change { key: key.to_string(), row: Some(wide.clone().into()) };
    view.apply((0..20_000).map(change).collect());
    let server = serve(&hub, |_| {});
    let mut slow = Client::subscribed(server.address(), "live").await;
    let mut frames = 0;
    while !slow.whole {
        slow.fold_one().await;
        frames += 1;
        if frames < 100 {
            view.upsert(&frames.to_string(), "1"); // one that it has
            view.upsert(&(20_000 - frames).to_string(), "2"); // one that it may not have yet
            view.upsert(&format!("new-{frames}"), "3");
            view.remove(&(100 + frames).to_string());
            view.remove(&(19_800 - frames).to_string());
            view.remove(&format!("new-{}", frames / 2));
        }
    }
    assert!(frames > 100, "it was sent before anything changed");
    assert!(slow.rows == client::rows_of(&view), "the last frame does not complete it");
    view.upsert("a", "4");
    slow.fold_until(&view).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_closed_and_others_do_not_feel_it() {
    let hub = Hub::new(7);
    let view = hub.view("live");
    let server = serve(&hub, |config| config.limits.drain = Duration::from_millis(300));
    let mut stuck = Client::subscribed(server.address(), "live").await;
    let mut other = Client::subscribed(server.address(), "live").await;
    let wide = json!("x".repeat(1_000_000)).to_string();
    for round in 0..20 {
        view.upsert(&round.to_string(), wide.clone());
        while other.rows.len() <= round {
            other.fold_one().await;
        }
    }
    sleep(Duration::from_millis(800)).await;
    let mut frames = 0;
    while let Some(Ok(message)) = stuck.next().await {
        assert!(!message.is_close(), "a close frame cannot overtake what was not read");
        frames += 1;
    }
    assert!(frames < 20, "it was closed before it had everything");
    let mut again = Client::subscribed(server.address(), "live").await;
    again.fold_until(&view).await;
}

#[tokio::test]
async fn a_client_that_breaks_a_rule_is_closed_with_its_code() {
    let hub = Hub::new(7);
    let server = serve(&hub, |config| {
        config.limits.hello = Duration::from_millis(300);
        config.limits.ping = Duration::from_millis(150);
        config.limits.pong = Duration::from_millis(150);
    });
    let mut silent = Client::open(server.address(), None).await.unwrap();
    assert_eq!(silent.closed().await, Some(close_code::NO_HELLO));

    let mut dead = Client::greeted(server.address()).await;
    assert_eq!(dead.hear().await["type"], "ping");
    dead.say(&json!({"type": "pong"})).await;
    assert_eq!(dead.hear().await["type"], "ping");
    assert_eq!(dead.closed().await, Some(close_code::NO_PONG));

    let mut rude = Client::open(server.address(), None).await.unwrap();
    rude.say(&json!({"type": "subscribe", "id": 1, "view": "live"})).await;
    assert_eq!(rude.closed().await, Some(close_code::BAD_MESSAGE));

    let mut large = Client::greeted(server.address()).await;
    large.say(&json!({"type": "hello", "padding": "x".repeat(70_000)})).await;
    assert_eq!(large.closed().await, Some(close_code::TOO_LARGE));
}

#[tokio::test]
async fn a_refused_subscription_says_why_and_keeps_the_connection() {
    let hub = Hub::new(7);
    let server = serve(&hub, |config| config.limits.subscriptions = 1);
    let view = hub.view("live");
    let mut client = Client::subscribed(server.address(), "trips").await;
    let refused = client.hear().await;
    assert_eq!(refused["code"], "no-such-view");
    assert_eq!(refused["message"], "no view \"trips\"; there are: live");
    let part = json!({"type": "subscribe", "id": 2, "view": "live", "where": {"keys": ["a"]}});
    client.say(&part).await;
    assert_eq!(client.hear().await["code"], "unsupported");
    client.say(&json!({"type": "subscribe", "id": 3, "view": "live"})).await;
    client.fold_one().await;
    client.say(&json!({"type": "subscribe", "id": 4, "view": "live"})).await;
    assert_eq!(client.hear().await["code"], "too-many-subscriptions");
    client.say(&json!({"type": "unsubscribe", "id": 3})).await;
    client.say(&json!({"type": "subscribe", "id": 5, "view": "live"})).await;
    client.fold_one().await;
    view.upsert("a", "1");
    client.fold_until(&view).await;
}

#[tokio::test]
async fn pages_of_other_sites_are_refused() {
    let hub = Hub::new(7);
    let server = serve(&hub, |_| {});
    let address = server.address();
    for foreign in ["https://example.com", "null", "http://127.0.0.1:1"] {
        let refused = Client::open(address, Some(foreign)).await.err();
        let Some(tungstenite::Error::Http(answer)) = refused else { panic!("{foreign} came in") };
        assert_eq!(answer.status(), 403);
    }
    assert!(Client::open(address, Some(&format!("http://{address}"))).await.is_ok());
    let rebound = get(address, "/views", "Host: example.com\r\n");
    assert!(rebound.starts_with("HTTP/1.1 403"), "{rebound}");
}

#[test]
fn a_ticker_keeps_the_last_rows() {
    let hub = Hub::new(7);
    let ticker = hub.ticker("stops", 3);
    ticker.append((0..10).map(|number| number.to_string().into()));
    let rows = ticker.view().rows().1;
    let rows: Vec<_> = rows.iter().map(|(key, row)| format!("{key}={row}")).collect();
    assert_eq!(rows, ["7=7", "8=8", "9=9"]);
}

/// "hello", gzipped.
const PAGE: Asset = Asset {
    path: "index.html",
    content_type: "text/html",
    gzip: b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcbH\xcd\xc9\xc9\x07\0\x86\xa6\x106\x05\0\0\0",
};

#[test]
fn views_and_files_are_served_over_plain_http() {
    let hub = Hub::new(7);
    hub.view("live").upsert("a b", r#"{"lat":1}"#);
    hub.view("live").upsert("c", r#"{"lat":2}"#);
    let server = serve(&hub, |config| {
        config.assets.push(PAGE);
        config.stats = Arc::new(|| json!({"read": 5}));
    });
    let views = r#"{"generation":7,"views":[{"name":"live","rows":2,"at":{"epoch":0,"seq":2}}]}"#;
    for (path, expected) in [
        ("/views", views),
        ("/views/live", r#"[{"lat":1},{"lat":2}]"#),
        ("/views/live/a%20b", r#"{"lat":1}"#),
        ("/views/live/x", "no row \"x\" in \"live\"\n"),
        ("/views/trips", "no view \"trips\"; /views lists them\n"),
        ("/stats", r#"{"read":5}"#),
        ("/healthz", "ok\n"),
        ("/", "hello"),
    ] {
        let answer = get(server.address(), path, "");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, expected, "{path}");
    }
    let zipped = get(server.address(), "/", "Accept-Encoding: gzip\r\n");
    assert!(zipped.contains("content-encoding: gzip") && zipped.contains("default-src 'self'"));
    for (path, etag) in [("/", "\"86a6103605000000\""), ("/views/live", "\"7-0-2\"")] {
        assert!(get(server.address(), path, "").contains(etag));
        let known = get(server.address(), path, &format!("If-None-Match: {etag}\r\n"));
        assert!(known.starts_with("HTTP/1.1 304"), "{known}");
    }
}

#[test]
fn an_address_that_cannot_be_used_is_refused_with_a_way_out() {
    let hub = Hub::new(7);
    let server = serve(&hub, |_| {});
    let start = |address: &str| Server::start(hub.clone(), ServerConfig::new(address)).unwrap_err();
    let taken = start(&server.address().to_string());
    assert_eq!(taken.kind, ErrorKind::Unavailable);
    assert!(taken.to_string().contains(&server.address().to_string()), "{taken}");
    assert!(taken.hint.unwrap().contains("--listen"));
    let remote = start("0.0.0.0:0");
    assert_eq!(remote.kind, ErrorKind::Configuration);
    assert!(remote.to_string().contains("whoever reaches it can read every view"), "{remote}");
    assert_eq!(start("nonsense").kind, ErrorKind::Configuration);
}
