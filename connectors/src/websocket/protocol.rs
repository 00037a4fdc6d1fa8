//! The messages, limits and close codes of `waystream.v1`.
//!
//! ```text
//! client: {"type":"hello"}                                   first, within 15 s
//!         {"type":"subscribe","id":1,"view":"live"}          the whole view
//!         {"type":"unsubscribe","id":1}
//!         {"type":"pong"}                                    the answer to a ping
//! server: {"type":"welcome","generation":7,"protocol":"waystream.v1"}
//!         {"type":"snapshot","generation":7,"id":1,"view":"live","at":{"epoch":3,"seq":41},
//!          "rows":[["key",row],…],"first":true,"last":false}
//!         {"type":"delta","generation":7,"id":1,"at":{…},"upsert":[["key",row],…],
//!          "remove":["key",…],"last":true}
//!         {"type":"reset","generation":7,"id":1,"reason":"…"}
//!         {"type":"error","generation":7,"id":1,"code":"no-such-view","message":"…","retry":false}
//!         {"type":"ping","generation":7}
//! ```
//! A snapshot replaces what the client holds of the subscription, beginning with the message that
//! says `first`. With `last` the client holds the view exactly as it is at `at`, which includes
//! the change numbered `seq`; without it more messages follow at once. Rows of a snapshot come as
//! they are by then, and what changed under way comes as deltas before the message that says `last`.
//! While rows change faster than a client takes them, no message says so: it has the latest of each
//! row that it was sent, and none is older than a round of messages over what changed.

use super::table::{Chunk, Delta, KeyedRow};
use serde::Deserialize;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// The name of the protocol, and the WebSocket subprotocol.
pub(super) const NAME: &str = "waystream.v1";

/// A place in the history of a view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The epoch that is open; 0 until somebody [seals](super::Hub::seal) one, which no job does yet.
    pub epoch: u64,
    /// The number of the last change; counts on over epochs.
    pub seq: u64,
}

/// Why the server closes a socket. 3000–3499: reconnect, after a while. 3500–3999: do not.
pub mod close_code {
    /// The server stops or restarts.
    pub const GOING_AWAY: u16 = 3000;
    /// The client did not take one message (64 KiB, or one row if that is longer) within 30 s. It
    /// mostly sees 1006: the close frame waits behind what it did not read. So does one whose long
    /// row has to make way for those of others.
    pub const TOO_SLOW: u16 = 3001;
    /// No pong within 10 s of a ping.
    pub const NO_PONG: u16 = 3002;
    /// No `hello` within 15 s.
    pub const NO_HELLO: u16 = 3003;
    /// A message that is not of the protocol, or a frame that breaks RFC 6455.
    pub const BAD_MESSAGE: u16 = 3500;
    /// A message above 64 KiB, in one frame or in many. Who goes on sending may see 1006.
    pub const TOO_LARGE: u16 = 3501;
    /// More than 256 messages in a second, pings and pongs among them. Who goes on sending may see
    /// 1006.
    pub const TOO_MANY: u16 = 3502;
}

/// What one client may ask for, and how long the server waits for it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest message taken from a client.
    pub message_bytes: usize,
    /// Messages of one client in a second, pings and pongs among them.
    pub messages: usize,
    /// Subscriptions of one connection.
    pub subscriptions: usize,
    /// Connections at once: at most half of the descriptors the process may have, but at least 8.
    /// The next one takes the place of the one that has waited longest for its first request; if
    /// none does, it waits until another ends. Three quarters may be WebSockets; more are refused
    /// with 503.
    pub connections: usize,
    /// Wait for the whole header of a request, also of the next one on a connection.
    pub header: Duration,
    /// A connection that has not become a WebSocket is closed after so long.
    pub exchange: Duration,
    /// Wait for `hello`.
    pub hello: Duration,
    /// Time between pings.
    pub ping: Duration,
    /// Wait for the pong.
    pub pong: Duration,
    /// A client that does not take one message in so long is closed.
    pub drain: Duration,
    /// Shortest time between two rounds of deltas to one client.
    pub interval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 64 * 1024,
            messages: 256,
            subscriptions: 128,
            connections: 1_024,
            header: Duration::from_secs(10),
            exchange: Duration::from_secs(120),
            hello: Duration::from_secs(15),
            ping: Duration::from_secs(25),
            pong: Duration::from_secs(10),
            drain: Duration::from_secs(30),
            interval: Duration::from_millis(100),
        }
    }
}

impl Limits {
    /// WebSockets at once: the other connections are left for pages and plain requests.
    pub(super) fn sessions(&self) -> usize {
        self.connections - self.connections / 4
    }
}

/// A message from a client. Unknown fields are ignored; what would narrow a view is refused.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum ClientMessage {
    Hello,
    Subscribe {
        id: u32,
        view: String,
        #[serde(rename = "where")]
        part: Option<serde_json::Value>,
        mode: Option<String>,
    },
    Unsubscribe {
        id: u32,
    },
    Pong,
}

/// A refusal that keeps the connection.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) id: u32,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) retry: bool,
}

/// Writes the server's messages of one generation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoder {
    pub(super) generation: u64,
}

impl Encoder {
    fn open(self, kind: &str, capacity: usize) -> String {
        let mut text = String::with_capacity(capacity + 128);
        let _ = write!(text, r#"{{"type":"{kind}","generation":{}"#, self.generation);
        text
    }

    pub(super) fn welcome(self) -> String {
        let mut text = self.open("welcome", 0);
        let _ = write!(text, r#","protocol":"{NAME}"}}"#);
        text
    }

    pub(super) fn ping(self) -> String {
        self.open("ping", 0) + "}"
    }

    pub(super) fn refusal(self, refusal: &Refusal) -> String {
        let mut text = self.open("error", refusal.message.len());
        let Refusal { id, code, message, retry } = refusal;
        let _ = write!(text, r#","id":{id},"code":"{code}","message":"#);
        push_string(&mut text, message);
        let _ = write!(text, r#","retry":{retry}}}"#);
        text
    }

    pub(super) fn reset(self, id: u32, reason: &str) -> String {
        let mut text = self.open("reset", reason.len());
        let _ = write!(text, r#","id":{id},"reason":"#);
        push_string(&mut text, reason);
        text + "}"
    }

    pub(super) fn snapshot(self, id: u32, view: &str, chunk: &Chunk) -> String {
        let Chunk { at, rows, first, last } = chunk;
        let mut text = self.open("snapshot", rows_bytes(rows));
        let _ = write!(text, r#","id":{id},"view":"#);
        push_string(&mut text, view);
        push_position(&mut text, *at);
        text.push_str(r#","rows":"#);
        push_rows(&mut text, rows);
        let _ = write!(text, r#","first":{first},"last":{last}}}"#);
        text
    }

    pub(super) fn delta(self, id: u32, delta: &Delta) -> String {
        let removed: usize = delta.remove.iter().map(|key| key_bytes(key)).sum();
        let mut text = self.open("delta", rows_bytes(&delta.upsert) + removed);
        let _ = write!(text, r#","id":{id}"#);
        push_position(&mut text, delta.at);
        text.push_str(r#","upsert":"#);
        push_rows(&mut text, &delta.upsert);
        text.push_str(r#","remove":["#);
        separated(&mut text, &delta.remove, |text, key| push_string(text, key));
        // The frame that ends a snapshot is one of its own.
        let _ = write!(text, r#"],"last":{}}}"#, delta.last && !delta.ends_snapshot);
        text
    }
}

fn rows_bytes(rows: &[KeyedRow]) -> usize {
    rows.iter().map(|(key, row)| row_bytes(key, row)).sum()
}

/// How long a row is in a message, at most.
pub(super) fn row_bytes(key: &str, row: &str) -> usize {
    key_bytes(key) + row.len() + 3
}

/// How long a key is in a message, at most, with its quotes and a comma.
pub(super) fn key_bytes(key: &str) -> usize {
    let bytes = key.bytes().map(|byte| match byte {
        0..0x20 => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    });
    bytes.sum::<usize>() + 3
}

fn push_position(text: &mut String, at: Position) {
    let _ = write!(text, r#","at":{{"epoch":{},"seq":{}}}"#, at.epoch, at.seq);
}

fn push_rows(text: &mut String, rows: &[KeyedRow]) {
    text.push('[');
    separated(text, rows, |text, (key, row): &(Arc<str>, Arc<str>)| {
        text.push('[');
        push_string(text, key);
        text.push(',');
        text.push_str(row);
        text.push(']');
    });
    text.push(']');
}

fn separated<T>(text: &mut String, items: &[T], push: impl Fn(&mut String, &T)) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        push(text, item);
    }
}

/// A JSON string, quoted and escaped.
pub(super) fn push_string(text: &mut String, value: &str) {
    let plain = value.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if plain {
        text.push('"');
        text.push_str(value);
        text.push('"');
    } else {
        text.push_str(&serde_json::Value::from(value).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn frames_are_json_with_escaped_keys() {
        let at = Position { epoch: 3, seq: 41 };
        let rows = [(Arc::from("a\"\n"), Arc::from(r#"{"lat":1}"#))];
        let chunk = Chunk { at, rows: rows.to_vec(), first: true, last: false };
        let encoder = Encoder { generation: 7 };
        let delta = Delta {
            at,
            upsert: rows.to_vec(),
            remove: vec![Arc::from("b")],
            last: true,
            ends_snapshot: false,
        };
        expect![[r#"
            {"type":"snapshot","generation":7,"id":1,"view":"live","at":{"epoch":3,"seq":41},"rows":[["a\"\n",{"lat":1}]],"first":true,"last":false}
            {"type":"delta","generation":7,"id":1,"at":{"epoch":3,"seq":41},"upsert":[["a\"\n",{"lat":1}]],"remove":["b"],"last":true}"#]]
        .assert_eq(&format!("{}\n{}", encoder.snapshot(1, "live", &chunk), encoder.delta(1, &delta)));
    }
}
