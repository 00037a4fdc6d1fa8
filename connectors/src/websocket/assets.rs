//! Files of the page, gzipped at build time and held in the binary.

use super::bodies::{self, Bodies, Version};
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use std::io::{self, Read as _};

/// Only the page's own files run and load; MapLibre's worker may start from a blob.
const POLICY: &str = "default-src 'self'; worker-src 'self' blob:; img-src 'self' data: blob:; \
                      style-src 'self' 'unsafe-inline'";

/// One file, as `include_bytes!` gives it.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its path without the leading slash; `index.html` is also served at `/`.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// Its content, gzipped.
    pub gzip: &'static [u8],
}

impl Asset {
    /// Checksum and length from the gzip trailer: changes when the content does.
    fn etag(&self) -> String {
        let trailer = self.gzip.last_chunk::<8>().copied().unwrap_or_default();
        format!("\"{:016x}\"", u64::from_be_bytes(trailer))
    }

    /// The answer to a request with these headers.
    pub(super) fn respond(&self, request: &HeaderMap, bodies: &Bodies) -> Response {
        let etag = self.etag();
        if matches(request, header::IF_NONE_MATCH, &etag) {
            return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
        }
        let headers = [
            (header::ETAG, etag.clone()),
            (header::CONTENT_TYPE, self.content_type.to_owned()),
            (header::CONTENT_SECURITY_POLICY, POLICY.to_owned()),
            (header::VARY, "accept-encoding".to_owned()),
        ];
        if matches(request, header::ACCEPT_ENCODING, "gzip") {
            let encoding = [(header::CONTENT_ENCODING, "gzip")];
            return (headers, encoding, Body::from(self.gzip)).into_response();
        }
        let unpacked = bodies.of(&format!("file {}", self.path), &etag, || {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(self.gzip).read_to_end(&mut plain)?;
            io::Result::Ok(Version { etag: etag.as_str().into(), bytes: plain.into() })
        });
        match unpacked {
            Ok(version) => (headers, bodies::body(version.bytes)).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

fn matches(request: &HeaderMap, name: header::HeaderName, wanted: &str) -> bool {
    request.get(name).and_then(|value| value.to_str().ok()).is_some_and(|v| v.contains(wanted))
}
