//! What is served over HTTP: the page, the socket, and every view as plain JSON.

use super::assets::Asset;
use super::bodies::{self, Bodies, Version};
use super::connections::Slot;
use super::handshake::Handshake;
use super::hub::{Hub, View};
use super::protocol::{self, Limits, Position};
use super::room::Room;
use super::server::Stats;
use super::session;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// What every request may use.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) hub: Hub,
    pub(super) stats: Stats,
    pub(super) assets: Arc<[Asset]>,
    pub(super) bodies: Bodies,
    pub(super) limits: Limits,
    pub(super) allow_remote: bool,
    /// One permit per session. Bound: [`Limits::sessions`]; who finds none is refused.
    pub(super) sessions: Arc<Semaphore>,
    pub(super) room: Room,
    pub(super) stop: watch::Receiver<bool>,
}

/// All routes.
pub(super) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/ws", get(socket))
        .route("/healthz", get(async || "ok\n"))
        .route("/stats", get(stats))
        .route("/views", get(views))
        .route("/views/{view}", get(rows))
        .route("/views/{view}/{key}", get(row))
        .fallback(get(file))
        .layer(middleware::from_fn_with_state(shared.clone(), guard))
        .with_state(shared)
}

/// Refuses what another site's page sends: a foreign `Origin`, and on loopback a foreign `Host`
/// (a name that was rebound to this machine). What is no host, or two of which a proxy may have
/// judged the other, is no request.
async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let Some(host) = host(&request) else {
        return (StatusCode::BAD_REQUEST, "a request has one Host: a name and perhaps a port\n")
            .into_response();
    };
    if !shared.allow_remote && !is_local(&host) {
        return (StatusCode::FORBIDDEN, "this server answers to local names only\n")
            .into_response();
    }
    // Authorities are equal whatever their case.
    let is_own = |origin: &HeaderValue| {
        let origin = Uri::try_from(origin.as_bytes()).ok();
        origin.as_ref().and_then(Uri::authority) == Some(&host)
    };
    if !headers.get_all(header::ORIGIN).iter().all(is_own) {
        return (StatusCode::FORBIDDEN, "requests from other origins are refused\n")
            .into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The host a request names, by RFC 9110, section 7.2: one, and without a user. That of its target, if
/// it has one, is what counts.
fn host(request: &Request) -> Option<Authority> {
    let mut named = request.headers().get_all(header::HOST).iter();
    let field = named.next();
    let host = match (request.uri().authority(), field) {
        (Some(target), _) => target.clone(),
        (None, field) => Authority::try_from(field?.as_bytes()).ok()?,
    };
    (named.next().is_none() && !host.as_str().contains('@')).then_some(host)
}

fn is_local(host: &Authority) -> bool {
    let name = host.host().trim_matches(['[', ']']).to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn socket(
    State(shared): State<Shared>,
    Extension(slot): Extension<Slot>,
    handshake: Handshake,
) -> Response {
    let Ok(permit) = shared.sessions.clone().try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many connections\n").into_response();
    };
    let Shared { hub, limits, room, stop, .. } = shared;
    handshake.accept(&limits, async move |socket| {
        session::serve(socket, hub, limits, room, stop).await;
        drop((permit, slot));
    })
}

async fn file(State(shared): State<Shared>, uri: Uri, headers: HeaderMap) -> Response {
    let path = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    match shared.assets.iter().find(|asset| asset.path == path) {
        Some(asset) => asset.respond(&headers, &shared.bodies),
        None => (StatusCode::NOT_FOUND, "no such file\n").into_response(),
    }
}

async fn stats(State(shared): State<Shared>) -> Response {
    json((shared.stats)().to_string())
}

async fn views(State(shared): State<Shared>) -> Response {
    let mut body = format!(r#"{{"generation":{},"views":["#, shared.hub.generation());
    for (at, view) in shared.hub.views().iter().enumerate() {
        body.push_str(if at > 0 { r#",{"name":"# } else { r#"{"name":"# });
        protocol::push_string(&mut body, view.name());
        let Position { epoch, seq } = view.at();
        let rows = view.len();
        let _ = write!(body, r#","rows":{rows},"at":{{"epoch":{epoch},"seq":{seq}}}}}"#);
    }
    body.push_str("]}");
    json(body)
}

async fn rows(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(view) = shared.hub.find(&name) else { return no_view(&name) };
    let now = etag(&shared.hub, view.at());
    if text(&headers, header::IF_NONE_MATCH) == Some(now.as_str()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let make = || Ok::<_, Infallible>(whole(&shared.hub, &view));
    let Ok(version) = shared.bodies.of(&format!("view {name}"), &now, make);
    ([(header::ETAG, &*version.etag)], json(bodies::body(version.bytes))).into_response()
}

/// All rows of a view in one array.
fn whole(hub: &Hub, view: &View) -> Version {
    let (at, rows) = view.rows();
    let mut body =
        String::with_capacity(2 + rows.iter().map(|(_, row)| row.len() + 1).sum::<usize>());
    for (_, row) in &rows {
        body.push(if body.is_empty() { '[' } else { ',' });
        body.push_str(row);
    }
    body.push_str(if rows.is_empty() { "[]" } else { "]" });
    Version { etag: etag(hub, at).into(), bytes: body.into_bytes().into() }
}

async fn row(State(shared): State<Shared>, Path((name, key)): Path<(String, String)>) -> Response {
    let Some(view) = shared.hub.find(&name) else { return no_view(&name) };
    match view.get(&key) {
        Some(row) => json(bodies::body(row.into())),
        None => {
            (StatusCode::NOT_FOUND, format!("no row \"{key}\" in \"{name}\"\n")).into_response()
        }
    }
}

fn etag(hub: &Hub, at: Position) -> String {
    format!("\"{}-{}-{}\"", hub.generation(), at.epoch, at.seq)
}

fn no_view(name: &str) -> Response {
    (StatusCode::NOT_FOUND, format!("no view \"{name}\"; /views lists them\n")).into_response()
}

fn json(body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}
