//! How a request becomes a WebSocket: RFC 6455, section 4.2.

use super::protocol::{Limits, NAME};
use axum::extract::FromRequestParts;
use axum::http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// A connection that was upgraded.
pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The version of the protocol there is.
const VERSION: HeaderValue = HeaderValue::from_static("13");

/// Bytes of a key before it was encoded.
const KEY_BYTES: usize = 16;

/// Clients say little; a session keeps so much to read into.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// A request for an upgrade that is sound.
#[derive(Debug)]
pub(super) struct Handshake {
    key: HeaderValue,
    /// Whether the client names our subprotocol.
    named: bool,
    upgrade: OnUpgrade,
}

impl<S: Sync> FromRequestParts<S> for Handshake {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let refuse = |why| (StatusCode::BAD_REQUEST, why).into_response();
        if parts.method != Method::GET {
            return Err(StatusCode::METHOD_NOT_ALLOWED.into_response());
        }
        let is = |value: &'static str| {
            move |listed: &[u8]| listed.eq_ignore_ascii_case(value.as_bytes())
        };
        if !lists(parts, &CONNECTION, is("upgrade")) || !lists(parts, &UPGRADE, is("websocket")) {
            return Err(refuse("this is a WebSocket: ask for it with Connection and Upgrade\n"));
        }
        if only(parts, &SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
            let known = [(SEC_WEBSOCKET_VERSION, VERSION)];
            let why =
                "version 13 of WebSocket is spoken here: ask with Sec-WebSocket-Version: 13\n";
            return Err((StatusCode::UPGRADE_REQUIRED, known, why).into_response());
        }
        let is_sound =
            |key: &&HeaderValue| STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == KEY_BYTES);
        let Some(key) = only(parts, &SEC_WEBSOCKET_KEY).filter(is_sound).cloned() else {
            return Err(refuse("send one Sec-WebSocket-Key, of 16 bytes in Base64\n"));
        };
        let named = lists(parts, &SEC_WEBSOCKET_PROTOCOL, |listed| listed == NAME.as_bytes());
        match parts.extensions.remove() {
            Some(upgrade) => Ok(Self { key, named, upgrade }),
            None => Err(refuse("this connection cannot become a WebSocket\n")),
        }
    }
}

impl Handshake {
    /// The answer that accepts it; `serve` is given the socket.
    pub(super) fn accept<F>(
        self,
        limits: &Limits,
        serve: impl FnOnce(Socket) -> F + Send + 'static,
    ) -> Response
    where
        F: Future<Output = ()> + Send,
    {
        let Self { key, named, upgrade } = self;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .max_message_size(Some(limits.message_bytes))
            .max_frame_size(Some(limits.message_bytes));
        tokio::spawn(async move {
            match upgrade.await {
                Ok(upgraded) => {
                    let io = TokioIo::new(upgraded);
                    serve(Socket::from_raw_socket(io, Role::Server, Some(config)).await).await;
                }
                Err(error) => tracing::debug!(%error, "a connection broke in its upgrade"),
            }
        });
        let accepted = derive_accept_key(key.as_bytes());
        let upgraded = [(CONNECTION, "upgrade"), (UPGRADE, "websocket")];
        let accepted = [(SEC_WEBSOCKET_ACCEPT, accepted)];
        let protocol = named.then_some([(SEC_WEBSOCKET_PROTOCOL, NAME)]);
        (StatusCode::SWITCHING_PROTOCOLS, upgraded, accepted, protocol, ()).into_response()
    }
}

/// The value of a header that stands there once.
fn only<'a>(parts: &'a Parts, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = parts.headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Whether one of the values of a header that is a list is what is asked for.
fn lists(parts: &Parts, name: &HeaderName, is: impl Fn(&[u8]) -> bool) -> bool {
    let lists = parts.headers.get_all(name).iter();
    let mut values = lists.flat_map(|list| list.as_bytes().split(|byte| *byte == b','));
    values.any(|listed| is(listed.trim_ascii()))
}
