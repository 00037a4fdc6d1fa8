//! Starts and stops the server on threads of its own, loopback only unless told otherwise.

use super::assets::Asset;
use super::bodies::Bodies;
use super::connections::{Connections, affordable};
use super::hub::Hub;
use super::protocol::Limits;
use super::room::Room;
use super::routes::{Shared, router};
use super::session::stopped;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use waystream_engine::error::{JobError, Result};

/// What `GET /stats` answers with; called on a thread of the server, so it must not wait.
pub type Stats = Arc<dyn Fn() -> serde_json::Value + Send + Sync>;

/// The kernel holds so much per client that does not read; the rest stays in the views.
const SEND_BUFFER_BYTES: u32 = 256 * 1024;

/// Connections the kernel holds while they wait to be accepted.
const BACKLOG: u32 = 1_024;

/// How long sessions have to say good-bye.
const STOPPING: Duration = Duration::from_secs(3);

/// Where and what to serve.
#[derive(Clone)]
pub struct ServerConfig {
    /// `host:port` to listen on; port 0 takes a free one.
    pub address: String,
    /// Whether an address off loopback is allowed: whoever reaches it can read every view.
    pub allow_remote: bool,
    /// The answer of `GET /stats`.
    pub stats: Stats,
    /// The files of the page.
    pub assets: Vec<Asset>,
    /// What a client may ask for.
    pub limits: Limits,
}

impl ServerConfig {
    /// Serves views alone on `address`: no page, empty statistics.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            allow_remote: false,
            stats: Arc::new(|| serde_json::json!({})),
            assets: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("address", &self.address)
            .field("allow_remote", &self.allow_remote)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A running server; dropping it stops it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Binds the address and serves the hub's views until [`Self::stop`].
    ///
    /// # Errors
    /// If the address cannot be used, or is off loopback without `allow_remote`.
    pub fn start(hub: Hub, config: ServerConfig) -> Result<Self> {
        let address = resolve(&config)?;
        let name = config.address.clone();
        let cannot_listen = |error| cannot_listen(&name, error);
        let (stop, stopped) = watch::channel(false);
        // One answer, and this function waits for it.
        let (bound, binding) = crossbeam_channel::bounded(1);
        let thread = thread::Builder::new()
            .name("waystream-serve".to_owned())
            .spawn(move || match listen(address) {
                Ok((runtime, listener, address)) => {
                    let _ = bound.send(Ok(address));
                    run(runtime, listener, shared(hub, config, stopped));
                }
                Err(error) => {
                    let _ = bound.send(Err(error));
                }
            })
            .map_err(cannot_listen)?;
        let ended = |_| io::Error::other("the thread of the server ended");
        let address = binding.recv().map_err(ended).flatten().map_err(cannot_listen)?;
        tracing::info!(%address, "views are served");
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells every client that the server stops, and waits until it has; at most some seconds.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the thread of the server panicked");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

fn run(runtime: Runtime, listener: TcpListener, shared: Shared) {
    let (limits, mut stop) = (shared.limits, shared.stop.clone());
    let connections = Connections::new(router(shared), limits, stop.clone());
    runtime.block_on(async move {
        let serving = tokio::spawn(connections.serve(listener));
        stopped(&mut stop).await;
        let _ = timeout(STOPPING, serving).await;
    });
    runtime.shutdown_timeout(STOPPING);
}

fn resolve(config: &ServerConfig) -> Result<SocketAddr> {
    let text = &config.address;
    let unusable = || {
        JobError::configuration(format!("cannot listen on \"{text}\""))
            .at("server")
            .hint("give `--listen HOST:PORT`, for example `--listen 127.0.0.1:7700`")
    };
    let mut addresses = text.to_socket_addrs().map_err(|error| unusable().caused_by(error))?;
    let address = addresses.next().ok_or_else(unusable)?;
    if address.ip().is_loopback() || config.allow_remote {
        return Ok(address);
    }
    let what = format!("refused to listen on {address}: whoever reaches it can read every view");
    Err(JobError::configuration(what).at("server").hint(
        "listen on 127.0.0.1, or allow it with `--listen-remote` behind your own access control",
    ))
}

/// A runtime and a listener on it, made on the thread that runs them: a caller may itself be
/// inside a runtime.
fn listen(address: SocketAddr) -> io::Result<(Runtime, TcpListener, SocketAddr)> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("waystream-serve")
        .enable_all()
        .build()?;
    let listener = {
        let _inside = runtime.enter();
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?
    };
    let address = listener.local_addr()?;
    Ok((runtime, listener, address))
}

fn shared(hub: Hub, config: ServerConfig, stop: watch::Receiver<bool>) -> Shared {
    let connections = affordable(config.limits.connections);
    let limits = Limits { connections, ..config.limits };
    Shared {
        hub,
        stats: config.stats,
        assets: config.assets.into(),
        bodies: Bodies::default(),
        limits,
        allow_remote: config.allow_remote,
        room: Room::default(),
        sessions: Arc::new(Semaphore::new(limits.sessions())),
        stop,
    }
}

fn cannot_listen(address: &str, error: io::Error) -> JobError {
    JobError::unavailable(format!("cannot listen on {address}"))
        .at("server")
        .hint("another program may use the port: choose one with `--listen 127.0.0.1:PORT`")
        .caused_by(error)
}
