//! Clients that mean harm: each is ended with the code the protocol names, and costs little.

use crate::client::{Client, PATIENCE, get, serve};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;
use waystream_connectors::websocket::{Change, Hub, close_code};

/// The first byte of a frame: the last of its message, and its kind.
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// A text that goes on in the next frame, the frames that go on, and the last of them.
const BEGIN: u8 = 0x01;
const GO_ON: u8 = 0x00;
const END: u8 = 0x80;

/// A WebSocket whose frames are written by hand.
struct Raw(TcpStream);

impl Raw {
    /// Upgraded, and greeted with `hello`.
    fn greeted(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let upgrade = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(upgrade.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let mut raw = Self(stream);
        raw.send(&frame(TEXT, br#"{"type":"hello"}"#));
        assert_eq!(raw.hear().unwrap().0, TEXT);
        raw
    }

    /// The server may have ended the connection by now.
    fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// The next frame: its first byte and its content.
    fn hear(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head)?;
        let mut length = [0; 8];
        let extra = if head[1] < 126 { 0 } else { 2 };
        self.0.read_exact(&mut length[..extra])?;
        let long = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let mut content = vec![0; if extra == 0 { head[1].into() } else { long }];
        self.0.read_exact(&mut content)?;
        Ok((head[0], content))
    }

    /// The code of the close frame.
    fn closed(&mut self) -> Option<u16> {
        while let Ok((first, content)) = self.hear() {
            if first == 0x88 {
                return Some(u16::from_be_bytes([content[0], content[1]]));
            }
        }
        None
    }
}

/// A frame as a client has to send it. Its mask is zero, so that its content stays legible.
fn frame(first: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match u8::try_from(content.len()) {
        Ok(length @ 0..126) => bytes.push(0x80 | length),
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((content.len() as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(content);
    bytes
}

#[test]
fn frames_that_break_a_rule_are_closed_with_its_code() {
    use close_code::{BAD_MESSAGE, TOO_LARGE};
    let hub = Hub::new(7);
    let server = serve(&hub, |_| {});
    let hello = br#"{"type":"hello"}"#;
    let part = vec![b' '; 30_000];
    let parts = [BEGIN, GO_ON, GO_ON, GO_ON].map(|first| frame(first, &part)).concat();
    let endless = [&[TEXT, 0x80 | 127], &u64::MAX.to_be_bytes()[..], &[0; 4]].concat();
    let unmasked = [&[TEXT, hello.len() as u8], &hello[..]].concat();
    let deep = "[".repeat(60_000);
    let cases: [(&str, Vec<u8>, u16); 16] = [
        ("a large frame", frame(TEXT, &[b' '; 65_537]), TOO_LARGE),
        ("a frame without end", endless, TOO_LARGE),
        ("a large message in small frames", parts, TOO_LARGE),
        ("binary", frame(BINARY, hello), BAD_MESSAGE),
        ("no mask", unmasked, BAD_MESSAGE),
        ("no UTF-8", frame(TEXT, b"{\"type\":\"\xff\"}"), BAD_MESSAGE),
        ("no JSON", frame(TEXT, b"hello"), BAD_MESSAGE),
        ("deep JSON", frame(TEXT, deep.as_bytes()), BAD_MESSAGE),
        ("an unknown type", frame(TEXT, br#"{"type":"publish"}"#), BAD_MESSAGE),
        ("a wrong id", frame(TEXT, br#"{"type":"unsubscribe","id":-1}"#), BAD_MESSAGE),
        ("a kind of frame that is none", frame(0x83, hello), BAD_MESSAGE),
        ("a bit that means nothing", frame(0xc1, hello), BAD_MESSAGE),
        ("a ping in parts", frame(0x09, b""), BAD_MESSAGE),
        ("a long ping", frame(PING, &[b' '; 126]), BAD_MESSAGE),
        ("a frame that continues nothing", frame(END, hello), BAD_MESSAGE),
        ("a message within a message", frame(BEGIN, hello).repeat(2), BAD_MESSAGE),
    ];
    for (name, bytes, code) in cases {
        let mut raw = Raw::greeted(server.address());
        raw.send(&bytes);
        assert_eq!(raw.closed(), Some(code), "{name}");
    }
    let mut sound = Raw::greeted(server.address());
    let hello = [frame(BEGIN, br#"{"type":"#), frame(PING, b"?"), frame(END, br#""hello"}"#)];
    sound.send(&hello.concat());
    assert_eq!(sound.hear().unwrap(), (0x8a, b"?".to_vec()));
    assert_eq!(sound.hear().unwrap().0, TEXT);
}

/// What one attack writes at most; the server has to end it long before.
const FLOOD_BYTES: usize = 64 << 20;

#[test]
fn a_client_that_pings_and_does_not_read_is_not_heard_for_long() {
    let hub = Hub::new(7);
    let server = serve(&hub, |config| config.limits.drain = Duration::from_millis(300));
    let mut raw = Raw::greeted(server.address());
    let pings = frame(PING, &[b'.'; 125]).repeat(500);
    let mut written = 0;
    while written < FLOOD_BYTES && raw.0.write_all(&pings).is_ok() {
        written += pings.len();
    }
    assert!(written < FLOOD_BYTES / 2, "{written} bytes of pings were taken");
    assert!(get(server.address(), "/healthz", "").ends_with("ok\n"));
}

#[test]
fn a_client_that_says_the_same_without_end_is_closed() {
    let hub = Hub::new(7);
    let server = serve(&hub, |config| config.limits.messages = 50);
    let said: [(u8, &[u8]); 4] = [
        (TEXT, br#"{"type":"pong"}"#),
        (TEXT, br#"{"type":"unsubscribe","id":1}"#),
        (PING, b""),
        (PONG, b""),
    ];
    for (first, content) in said {
        let mut raw = Raw::greeted(server.address());
        raw.send(&frame(first, content).repeat(60));
        assert_eq!(raw.closed(), Some(close_code::TOO_MANY), "{first:x}");
    }
    let mut steady = Raw::greeted(server.address());
    for _ in 0..5 {
        steady.send(&frame(PING, b"").repeat(25));
        std::thread::park_timeout(Duration::from_millis(1_100));
    }
    for _ in 0..5 * 25 {
        assert_eq!(steady.hear().unwrap().0, 0x8a);
    }
}

#[tokio::test]
async fn ten_thousand_subscriptions_are_answered_one_by_one() {
    let hub = Hub::new(7);
    hub.view("live").upsert("a", "1");
    let server = serve(&hub, |config| config.limits.messages = 20_000);
    let client = Client::greeted(server.address()).await;
    let (mut out, mut incoming) = client.socket.split();
    let asking = async {
        for id in 0..10_000 {
            let message = json!({"type": "subscribe", "id": id, "view": "live"});
            out.send(Message::text(message.to_string())).await.unwrap();
        }
    };
    let hearing = async {
        let (mut snapshots, mut refusals) = (0, 0);
        while snapshots + refusals < 10_000 {
            let Some(Ok(Message::Text(text))) = incoming.next().await else { panic!("closed") };
            let message: Value = serde_json::from_str(&text).unwrap();
            match (message["type"].as_str(), message["code"].as_str()) {
                (Some("snapshot"), None) => snapshots += 1,
                (Some("error"), Some("too-many-subscriptions")) => refusals += 1,
                _ => panic!("{text}"),
            }
        }
        snapshots
    };
    let ((), snapshots) = tokio::time::timeout(PATIENCE, async { tokio::join!(asking, hearing) })
        .await
        .expect("the server is silent");
    assert_eq!(snapshots, 128);
}

/// Tests that measure memory take turns.
#[cfg(target_os = "linux")]
static MEASURING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Bytes of this process in memory.
#[cfg(target_os = "linux")]
fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    4_096 * text.split(' ').nth(1).unwrap().parse::<usize>().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn requests_whose_answers_are_never_read_cost_few_copies() {
    let _turn = MEASURING.blocking_lock();
    let hub = Hub::new(7);
    let (view, wide) = (hub.view("live"), format!("\"{}\"", "x".repeat(4 << 20)));
    let server = serve(&hub, |_| {});
    view.upsert("a", wide.clone());
    let (mut deaf, before) = (Vec::new(), resident_bytes());
    for _ in 0..200 {
        view.upsert("b", "1"); // at another position each time
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(b"GET /views/live HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 1]).unwrap(); // the answer is under way
        deaf.push(stream);
    }
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 30 * wide.len(), "{grown} bytes for {} answers", deaf.len());
    assert!(get(server.address(), "/views/live", "").ends_with(",1]"));
    drop(deaf);
    view.upsert("b", "2");
    while !get(server.address(), "/views/live", "").ends_with(",2]") {
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn sessions_that_subscribe_and_never_read_hold_no_rows() {
    const SESSIONS: usize = 200;
    let _turn = MEASURING.blocking_lock();
    let hub = Hub::new(7);
    let view = hub.view("live");
    let change = |key: u32| Change { key: key.to_string(), row: Some(r#"{"lat":1.5}"#.into()) };
    view.apply((0..100_000).map(change).collect());
    let server = serve(&hub, |_| {});
    let (mut deaf, before) = (Vec::new(), resident_bytes());
    for number in 0..SESSIONS {
        let mut raw = Raw::greeted(server.address());
        raw.send(&frame(TEXT, br#"{"type":"subscribe","id":1,"view":"live"}"#));
        raw.0.read_exact(&mut [0; 1]).unwrap(); // the snapshot is under way
        view.upsert(&number.to_string(), "1"); // of another position each time
        deaf.push(raw);
    }
    std::thread::park_timeout(Duration::from_millis(500));
    let each = resident_bytes().saturating_sub(before) / SESSIONS;
    // Other tests take memory in this process meanwhile; a list of the rows is more than four times
    // as much.
    assert!(each < 1_024 * 1_024, "{each} bytes of each session");
    assert!(get(server.address(), "/healthz", "").ends_with("ok\n"));
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_never_read_a_long_row_make_way_for_who_reads() {
    const LONG_BYTES: usize = 4 << 20;
    let _turn = MEASURING.lock().await;
    let hub = Hub::new(7);
    let view = hub.view("live");
    view.upsert("a", format!("\"{}\"", "é".repeat(LONG_BYTES / 2)));
    let server = serve(&hub, |_| {});
    let (mut deaf, before) = (Vec::new(), resident_bytes());
    for _ in 0..100 {
        let mut raw = Raw::greeted(server.address());
        raw.send(&frame(TEXT, br#"{"type":"subscribe","id":1,"view":"live"}"#));
        deaf.push(raw);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 40 * LONG_BYTES, "{grown} bytes for {} sessions", deaf.len());
    let mut reads = Client::subscribed(server.address(), "live").await;
    reads.fold_until(&view).await;
    view.upsert("b", "1");
    reads.fold_until(&view).await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_never_reads_costs_what_it_looks_at_and_not_what_passes() {
    let _turn = MEASURING.lock().await;
    let hub = Hub::new(7);
    let view = hub.view("live");
    let server = serve(&hub, |config| config.limits.drain = Duration::from_secs(2));
    let mut stuck = Client::subscribed(server.address(), "live").await;
    let mut other = Client::subscribed(server.address(), "live").await;
    let wide = "x".repeat(2_000);
    let (mut written, before) = (0, resident_bytes());
    for round in 0..500 {
        let row = json!({"round": round, "wide": wide}).to_string();
        let change = |key: u32| Change { key: key.to_string(), row: Some(row.clone().into()) };
        written += 500 * row.len();
        view.apply((0..500).map(change).collect());
        if round % 10 == 0 {
            other.fold_one().await;
        }
    }
    other.fold_until(&view).await;
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < written / 4, "{grown} bytes for {written} that passed");
    tokio::time::sleep(Duration::from_secs(3)).await;
    while let Some(Ok(message)) = stuck.next().await {
        stuck.bytes += message.len();
    }
    assert!(stuck.bytes < written / 20, "{} of {written} bytes came", stuck.bytes);
}
