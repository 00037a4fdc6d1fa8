//! What a request has to be before it becomes a WebSocket: RFC 6455, section 4.2.1.

use axum::extract::FromRequestParts;
use axum::http::header::{SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The version of the protocol there is.
const VERSION: HeaderValue = HeaderValue::from_static("13");

/// Bytes of a key before it was encoded.
const KEY_BYTES: usize = 16;

/// Says that the version and the key of a request, if it has them, are sound; whether it has them
/// is for the upgrade to see.
#[derive(Debug)]
pub(super) struct Handshake;

impl<S: Sync> FromRequestParts<S> for Handshake {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        if !is_sound(parts, &SEC_WEBSOCKET_VERSION, |version| version == VERSION) {
            let known = [(SEC_WEBSOCKET_VERSION, VERSION)];
            let why = "version 13 of WebSocket is spoken here\n";
            return Err((StatusCode::UPGRADE_REQUIRED, known, why).into_response());
        }
        let is_key =
            |key: &HeaderValue| STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == KEY_BYTES);
        if !is_sound(parts, &SEC_WEBSOCKET_KEY, is_key) {
            let why = "Sec-WebSocket-Key is one of 16 bytes in Base64\n";
            return Err((StatusCode::BAD_REQUEST, why).into_response());
        }
        Ok(Self)
    }
}

/// Whether the header stands there once at most, and is sound.
fn is_sound(parts: &Parts, name: &HeaderName, sound: impl Fn(&HeaderValue) -> bool) -> bool {
    let mut values = parts.headers.get_all(name).iter();
    values.next().is_none_or(sound) && values.next().is_none()
}
