//! Connections that do not behave keep nobody out, and what is no request is refused.

use crate::client::{Client, PATIENCE, ask, get, serve};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tokio_tungstenite::tungstenite;
use waystream_connectors::websocket::Hub;

const NEVER: Duration = Duration::from_secs(3_600);
const SOON: Duration = Duration::from_millis(200);

/// A connection that has said so much and waits.
fn opened(address: SocketAddr, said: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(said.as_bytes()).unwrap();
    stream
}

/// Whether the server ends the connection, rather than keep it for ever.
fn is_ended(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_connections_keep_nobody_out() {
    let hub = Hub::new(7);
    let view = hub.view("live");
    // No timeout helps here: who has waited longest for a request has to make way.
    let server = serve(&hub, |config| {
        config.limits.connections = 16;
        (config.limits.header, config.limits.exchange) = (NEVER, NEVER);
    });
    let address = server.address();
    let mut client = Client::subscribed(address, "live").await;
    let half = ["", "GET / HTT", "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"];
    let silent: Vec<_> = (0..300).map(|number| opened(address, half[number % 3])).collect();
    for _ in 0..3 {
        assert!(get(address, "/healthz", "").ends_with("ok\n"));
    }
    let mut second = Client::subscribed(address, "live").await;
    view.upsert("a", "1");
    client.fold_until(&view).await;
    second.fold_until(&view).await;
    assert!(is_ended(silent.into_iter().next().unwrap()));
}

#[test]
fn a_header_that_does_not_end_is_given_up() {
    let hub = Hub::new(7);
    let server = serve(&hub, |config| config.limits.header = SOON);
    let whole = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for said in ["", "GET /healthz HTTP/1.1\r\nHost: loc", whole] {
        assert!(is_ended(opened(server.address(), said)), "{said:?}");
    }
}

#[test]
fn a_connection_without_a_websocket_ends_however_busy() {
    let hub = Hub::new(7);
    hub.view("wide").upsert("a", format!("\"{}\"", "x".repeat(30_000_000)));
    let server = serve(&hub, |config| {
        (config.limits.header, config.limits.exchange) = (NEVER, SOON);
    });
    let mut deaf = opened(server.address(), "GET /views/wide HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut taken = [0; 4_096];
    // Slower than the exchange may take, but never silent.
    for _ in 0..10 {
        std::thread::park_timeout(SOON / 4);
        assert!(deaf.read(&mut taken).unwrap() > 0);
    }
    let mut rest = 0;
    while let Ok(more @ 1..) = deaf.read(&mut taken) {
        rest += more;
    }
    assert!(rest < 15_000_000, "{rest} bytes came after the end");
}

#[test]
fn what_is_no_sound_request_is_refused() {
    let hub = Hub::new(7);
    let server = serve(&hub, |_| {});
    let long = format!("X: {}\r\n", "x".repeat(65 * 1024));
    let some = format!("X: {}\r\n", "x".repeat(60 * 1024));
    let many: String = (0..200).map(|number| format!("X{number}: y\r\n")).collect();
    let two = "Host: localhost\r\nHost: localhost\r\n";
    for (headers, status) in [
        (long.as_str(), "431"),
        (&many, "431"),
        (two, "400"),
        ("Host: example.com@127.0.0.1\r\n", "400"),
        ("Host: @localhost\r\n", "400"),
        ("Host: local host\r\n", "400"),
        ("Host:\r\n", "400"),
        ("Host: example.com\r\n", "403"),
        ("Host: localhost.example.com\r\n", "403"),
        ("Host: LOCALHOST:7700\r\n", "200"),
        ("Host: Map.LocalHost\r\n", "200"),
        ("Host: [::1]:7700\r\n", "200"),
        ("Host: LocalHost:1\r\nOrigin: http://localhost:1\r\n", "200"),
        ("Origin: http://localhost\r\nOrigin: http://example.com\r\n", "403"),
        ("Origin: http://ex\u{e4}mple.com\r\n", "403"),
        ("Origin: null\r\n", "403"),
    ] {
        let answer = get(server.address(), "/healthz", headers);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{headers}{answer}");
    }
    assert!(get(server.address(), "/healthz", &some).ends_with("ok\n"));
}

#[test]
fn what_is_no_sound_handshake_is_refused() {
    let hub = Hub::new(7);
    let server = serve(&hub, |_| {});
    let sound = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let twice = sound.repeat(2);
    let key = |key: &str| format!("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n");
    let version = |version: &str| format!("{sound}Sec-WebSocket-Version: {version}\r\n");
    for (headers, status) in [
        (version("12"), "426"),
        (version("13, 8"), "426"),
        (version("8\r\nSec-WebSocket-Version: 13"), "426"),
        (sound.to_owned(), "426"),
        (key("short"), "400"),
        (key("dGhlIHNhbXBsZSBub25j"), "400"),
        (key("dGhlIHNhbXBsZSBub25jZSE="), "400"),
        (key("dGhlIHNhbXBsZSBub25jZ!=="), "400"),
        (key(""), "400"),
        (format!("Sec-WebSocket-Version: 13\r\n{twice}"), "400"),
        ("Sec-WebSocket-Version: 13\r\n".to_owned(), "400"),
    ] {
        // Later headers win over `Connection: close`, which `get` says.
        let headers = format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{headers}");
        let answer = get(server.address(), "/ws", &headers);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{headers}{answer}");
        assert_eq!(answer.contains("sec-websocket-version: 13\r\n"), status == "426", "{answer}");
    }
    let sound = format!(
        "HEAD /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{}\r\n",
        version("13")
    );
    let answer = ask(server.address(), &sound);
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    let absolute =
        "GET http://example.com/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = ask(server.address(), absolute);
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[tokio::test]
async fn sessions_leave_room_for_pages() {
    let hub = Hub::new(7);
    let server = serve(&hub, |config| config.limits.connections = 8);
    let address = server.address();
    let mut sessions = Vec::new();
    for _ in 0..6 {
        sessions.push(Client::greeted(address).await);
    }
    let refused = Client::open(address, None).await.err();
    let Some(tungstenite::Error::Http(answer)) = refused else { panic!("a seventh came in") };
    assert_eq!(answer.status(), 503);
    assert!(get(address, "/healthz", "").ends_with("ok\n"));
    sessions.pop().unwrap().socket.close(None).await.unwrap();
    while Client::open(address, None).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
