//! Takes connections, as many as the process can afford, and speaks HTTP on each.
//!
//! A process that has no descriptor left cannot write its next checkpoint, so connections get half
//! of them at most, but at least eight. When all places are taken, the connection that has waited
//! longest for its first request makes way for the next one: who opens connections and says
//! nothing keeps nobody out.

use super::hub::lock;
use super::protocol::Limits;
use super::session::stopped;
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

/// The first line and the headers of a request; above it the answer is 431.
const HEADER_BYTES: usize = 64 * 1024;

/// Wait after a connection could not be taken: descriptors come back when others end.
const BACK_OFF: Duration = Duration::from_millis(500);

/// How long a request under way may take once the server stops.
const STOPPING: Duration = Duration::from_secs(3);

/// Fewer could not serve one page to one browser, which opens six.
const FEWEST: usize = 8;

/// Connections a process can afford: half of its descriptors, if it can know how many it may have.
pub(super) fn affordable(wanted: usize) -> usize {
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let half = descriptors.and_then(|most| usize::try_from(most / 2).ok());
    wanted.min(half.map_or(wanted, |half| half.max(FEWEST)))
}

/// A counted connection. Its session holds it too, so that it stays counted after the upgrade.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// Everything a connection is served with.
pub(super) struct Connections {
    /// One permit per connection. Bound: `limits.connections`; who finds none waits.
    slots: Arc<Semaphore>,
    lobby: Arc<Lobby>,
    router: TowerToHyperService<Router>,
    limits: Limits,
    stop: watch::Receiver<bool>,
}

impl Connections {
    pub(super) fn new(router: Router, limits: Limits, stop: watch::Receiver<bool>) -> Self {
        let slots = Arc::new(Semaphore::new(limits.connections));
        let router = TowerToHyperService::new(router);
        Self { slots, lobby: Arc::default(), router, limits, stop }
    }

    /// Serves until the server stops and every connection has ended.
    pub(super) async fn serve(self, listener: TcpListener) {
        let mut stop = self.stop.clone();
        for number in 0.. {
            let (stream, slot) = tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                taken = self.take(&listener) => taken,
            };
            // Frames are whole when they are written: waiting to fill a packet only delays them.
            let _ = stream.set_nodelay(true);
            let place = self.lobby.enter(number);
            tokio::spawn(self.connection(stream, slot, place));
        }
        drop(listener);
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        let _ = self.slots.acquire_many(all).await;
    }

    /// The next connection, once there is a slot for it.
    async fn take(&self, listener: &TcpListener) -> (TcpStream, Slot) {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) if is_of_the_client(error.kind()) => continue,
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be taken; tried again soon");
                    self.lobby.show_out_oldest();
                    sleep(BACK_OFF).await;
                    continue;
                }
            };
            if self.slots.available_permits() == 0 {
                self.lobby.show_out_oldest();
            }
            if let Ok(permit) = self.slots.clone().acquire_owned().await {
                return (stream, Slot { _permit: Arc::new(permit) });
            }
        }
    }

    /// Speaks HTTP until the connection ends, is upgraded, or has to.
    fn connection(
        &self,
        stream: TcpStream,
        slot: Slot,
        place: Place,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (limits, mut stop) = (self.limits, self.stop.clone());
        let (router, place) = (self.router.clone(), Arc::new(place));
        let in_lobby = place.clone();
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            place.leave();
            request.extensions_mut().insert(slot.clone());
            router.call(request)
        });
        async move {
            let mut connection = pin!(
                http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(limits.header)
                    .max_header_size(HEADER_BYTES)
                    .max_buf_size(HEADER_BYTES)
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades()
            );
            let makes_way = in_lobby.makes_way();
            tokio::select! {
                biased;
                ended = connection.as_mut() => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                },
                () = stopped(&mut stop) => {
                    connection.as_mut().graceful_shutdown();
                    let _ = timeout(STOPPING, connection).await;
                }
                () = makes_way => tracing::debug!("a silent connection made way"),
                () = sleep(limits.exchange) => tracing::debug!("a connection took too long"),
            }
        }
    }
}

/// Connections that have sent no request yet, oldest first. Bound: the connections.
#[derive(Debug, Default)]
struct Lobby {
    waiting: Mutex<BTreeMap<u64, Arc<Notify>>>,
}

impl Lobby {
    fn enter(self: &Arc<Self>, number: u64) -> Place {
        let shown_out = Arc::new(Notify::new());
        lock(&self.waiting).insert(number, shown_out.clone());
        Place { lobby: self.clone(), number, shown_out }
    }

    /// Asks the connection to end that has waited longest for its first request, if one does.
    fn show_out_oldest(&self) {
        if let Some((_, oldest)) = lock(&self.waiting).first_key_value() {
            oldest.notify_one();
        }
    }
}

/// One connection's place in the lobby; dropping it leaves.
#[derive(Debug)]
struct Place {
    lobby: Arc<Lobby>,
    number: u64,
    shown_out: Arc<Notify>,
}

impl Place {
    /// Whether it was still waiting.
    fn leave(&self) -> bool {
        lock(&self.lobby.waiting).remove(&self.number).is_some()
    }

    /// Ready when the connection has to end. Whose request came before it could end stays, and the
    /// next is asked instead.
    async fn makes_way(&self) {
        loop {
            self.shown_out.notified().await;
            if self.leave() {
                return;
            }
            self.lobby.show_out_oldest();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Whether the client was gone before it was taken: nothing to say, the next one waits.
fn is_of_the_client(kind: ErrorKind) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(kind, ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream as Plain;
    use tokio::task::yield_now;

    #[tokio::test]
    async fn a_request_that_comes_before_its_connection_made_way_is_answered() {
        let slow = async || {
            yield_now().await;
            "served"
        };
        let (_go_on, stop) = watch::channel(false);
        let router = Router::new().route("/", get(slow));
        let connections = Connections::new(router, Limits::default(), stop);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = Plain::connect(listener.local_addr().unwrap()).unwrap();
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        client.write_all(request.as_bytes()).unwrap();
        let (stream, slot) = connections.take(&listener).await;
        stream.readable().await.unwrap();

        let (asked, next) = (connections.lobby.enter(0), connections.lobby.enter(1));
        connections.lobby.show_out_oldest();
        connections.connection(stream, slot, asked).await;
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("served"), "{answer:?}");
        timeout(STOPPING, next.makes_way()).await.expect("the next is asked instead");
    }
}
