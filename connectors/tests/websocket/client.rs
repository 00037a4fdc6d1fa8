//! A client of the protocol, and a plain one of HTTP.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream as Plain};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use waystream_connectors::websocket::{Hub, Server, ServerConfig, View};

/// Longer than anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn serve(hub: &Hub, change: impl FnOnce(&mut ServerConfig)) -> Server {
    let mut config = ServerConfig::new("127.0.0.1:0");
    change(&mut config);
    Server::start(hub.clone(), config).unwrap()
}

/// A client of the protocol: folds what it is sent.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
    pub(crate) rows: BTreeMap<String, Value>,
    seq: u64,
    /// Whether it holds the view as it was at one position.
    pub(crate) whole: bool,
    pub(crate) bytes: usize,
}

impl Client {
    pub(crate) async fn open(
        address: SocketAddr,
        origin: Option<&str>,
    ) -> Result<Self, tungstenite::Error> {
        let mut request = format!("ws://{address}/ws").into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "waystream.v1".parse().unwrap());
        if let Some(origin) = origin {
            headers.insert("origin", origin.parse().unwrap());
        }
        let stream = TcpStream::connect(address).await?;
        let (socket, _) = client_async(request, stream).await?;
        Ok(Self { socket, rows: BTreeMap::new(), seq: 0, whole: false, bytes: 0 })
    }

    pub(crate) async fn greeted(address: SocketAddr) -> Self {
        let mut client = Self::open(address, None).await.unwrap();
        client.say(&json!({"type": "hello"})).await;
        assert_eq!(client.hear().await["type"], "welcome");
        client
    }

    pub(crate) async fn subscribed(address: SocketAddr, view: &str) -> Self {
        let mut client = Self::greeted(address).await;
        client.say(&json!({"type": "subscribe", "id": 1, "view": view})).await;
        client
    }

    pub(crate) async fn say(&mut self, message: &Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Option<Result<Message, tungstenite::Error>> {
        timeout(PATIENCE, self.socket.next()).await.expect("the server is silent")
    }

    pub(crate) async fn hear(&mut self) -> Value {
        let Some(Ok(Message::Text(text))) = self.next().await else { panic!("no message") };
        self.bytes += text.len();
        serde_json::from_str(&text).unwrap()
    }

    /// The code of the close frame, skipping what comes before it.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        while let Some(Ok(message)) = self.next().await {
            if let Message::Close(frame) = message {
                return frame.map(|frame| frame.code.into());
            }
        }
        None
    }

    pub(crate) async fn fold_one(&mut self) {
        let message = self.hear().await;
        assert_eq!(message["generation"], 7);
        let rows = match message["type"].as_str().unwrap() {
            "snapshot" => {
                if message["first"] == true {
                    self.rows.clear();
                }
                &message["rows"]
            }
            "delta" => &message["upsert"],
            other => panic!("unexpected {other}"),
        };
        for row in rows.as_array().unwrap() {
            self.rows.insert(row[0].as_str().unwrap().to_owned(), row[1].clone());
        }
        for key in message["remove"].as_array().into_iter().flatten() {
            self.rows.remove(key.as_str().unwrap());
        }
        let seq = message["at"]["seq"].as_u64().unwrap();
        assert!(seq >= self.seq, "positions go back");
        self.seq = seq;
        self.whole = message["last"] == true;
    }

    pub(crate) async fn fold_until(&mut self, view: &View) {
        while self.seq < view.at().seq || !self.whole {
            self.fold_one().await;
        }
        assert_eq!(self.rows, rows_of(view));
    }
}

pub(crate) fn rows_of(view: &View) -> BTreeMap<String, Value> {
    let parse = |row: &str| serde_json::from_str(row).unwrap();
    view.rows().1.into_iter().map(|(key, row)| (key.to_string(), parse(&row))).collect()
}

/// The whole answer to a plain request.
pub(crate) fn get(address: SocketAddr, path: &str, headers: &str) -> String {
    let host = if headers.contains("Host:") { "" } else { "Host: localhost\r\n" };
    ask(address, &format!("GET {path} HTTP/1.1\r\n{host}Connection: close\r\n{headers}\r\n"))
}

/// The answer to a request that is written out.
pub(crate) fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = Plain::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
