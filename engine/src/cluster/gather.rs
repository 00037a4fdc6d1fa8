//! Brings the processes of a job together: each dials those before it, again and again until they
//! answer, and lets in those after it that prove themselves.

use super::config::Cluster;
use super::greet::{Refusal, answer, dial};
use super::hello::{Hello, Purpose, shown};
use super::seats::Seats;
use super::wire::{Peer, Wire};
use crate::clock::Clock;
use crate::error::{ErrorKind, JobError, Result};
use crate::job::StopSignal;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::BTreeMap;
use std::io;
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Strangers and peers that are being greeted. One more is closed at once: it comes again.
const MAX_GREETED: usize = 64;
/// How often it is looked for who has come.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long one try to connect may take.
const TRY_FOR: Duration = Duration::from_secs(2);
/// Time between two tries, doubled from the first to the last.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];

/// All connections of a process, by the index of the other.
#[derive(Debug, Default)]
pub(super) struct Mesh {
    pub(super) data: BTreeMap<usize, Arc<Wire>>,
    pub(super) control: BTreeMap<usize, Arc<Wire>>,
}

/// What the threads of one gathering share.
#[derive(Clone)]
struct Gathering {
    cluster: Arc<Cluster>,
    hello: Hello,
    clock: Arc<dyn Clock>,
    seats: Seats,
    /// Connections that have come about. Bound: twice those that are wanted; who brings one waits.
    arrived: Sender<Arrival>,
    is_over: Arc<AtomicBool>,
    /// Why it did not work out the last time, by process; strangers under no number.
    troubles: Arc<Mutex<BTreeMap<Option<usize>, String>>>,
}

/// A connection, or why this process cannot take part.
type Arrival = Result<(Purpose, usize, TcpStream)>;

/// Waits for all connections; `None` if the job was asked to stop before they had come.
pub(super) fn gather(
    cluster: &Arc<Cluster>,
    hello: Hello,
    clock: &Arc<dyn Clock>,
    stop: &StopSignal,
) -> Result<Option<Mesh>> {
    let (index, processes) = (cluster.member.index, cluster.member.hosts.len());
    let (arrived, arrivals) = bounded(4 * processes);
    let gathering = Gathering {
        cluster: Arc::clone(cluster),
        hello,
        clock: Arc::clone(clock),
        seats: Seats::of(index, processes),
        arrived,
        is_over: Arc::default(),
        troubles: Arc::default(),
    };
    if let Some(listener) = cluster.take_listener() {
        let accepting = gathering.clone();
        gathering.spawn("accept", move || accepting.accept(&listener))?;
    }
    for other in 0..index {
        let purposes = [Some(Purpose::Data), (other == 0).then_some(Purpose::Control)];
        for purpose in purposes.into_iter().flatten() {
            let dialling = gathering.clone();
            gathering.spawn("dial", move || dialling.dial(other, purpose))?;
        }
    }
    let mesh = gathering.wait(&arrivals, stop);
    gathering.is_over.store(true, SeqCst);
    mesh
}

impl Gathering {
    fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        spawned.map(drop).map_err(|error| {
            self.is_over.store(true, SeqCst);
            JobError::unavailable(format!("cannot start the thread `{name}`"))
                .hint("allow more threads (ulimit -u)")
                .caused_by(error)
        })
    }

    fn peer(&self, index: usize) -> Peer {
        Peer { index, address: self.cluster.member.hosts[index].clone() }
    }

    fn wait(&self, arrivals: &Receiver<Arrival>, stop: &StopSignal) -> Result<Option<Mesh>> {
        let member = &self.cluster.member;
        let until_ms = self.clock.ticks_ms() + crate::time::millis(member.gather_for);
        let others = member.hosts.len() - 1;
        let controls = if member.index == 0 { others } else { 1 };
        let mut mesh = Mesh::default();
        loop {
            if let Ok(arrival) = arrivals.recv_timeout(LOOK_EVERY) {
                let (purpose, index, socket) = arrival?;
                let wire = Wire::new(self.peer(index), socket, member.peer_timeout)?;
                match purpose {
                    Purpose::Data => mesh.data.insert(index, wire),
                    Purpose::Control => mesh.control.insert(index, wire),
                };
                continue;
            }
            let is_whole = mesh.data.len() == others && mesh.control.len() == controls.min(others);
            if is_whole && self.seats.missing().is_empty() {
                return Ok(Some(mesh));
            }
            if stop.is_requested() {
                return Ok(None);
            }
            if self.clock.ticks_ms() >= until_ms {
                let dialled = (0..member.index).filter(|index| !mesh.data.contains_key(index));
                let missing = dialled.chain(self.seats.missing()).next();
                return Err(self.nobody_came(missing.unwrap_or(0)));
            }
        }
    }

    fn nobody_came(&self, index: usize) -> JobError {
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let why = troubles.get(&Some(index)).or_else(|| troubles.get(&None));
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        let (peer, for_s) = (self.peer(index), self.cluster.member.gather_for.as_secs());
        let what = format!("process {index} at {} has not come in {for_s} s{why}", peer.address);
        JobError::new(ErrorKind::Lost, what)
            .hint("start it, and see that its port can be reached from here")
    }

    fn note(&self, index: Option<usize>, why: String) {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).insert(index, why);
    }

    /// Lets others in, each greeted on a thread of its own, so that a silent one keeps nobody out.
    fn accept(&self, listener: &TcpListener) {
        let greeted = Arc::new(AtomicUsize::new(0));
        let _ = listener.set_nonblocking(true);
        while !self.is_over.load(SeqCst) {
            let Ok((socket, address)) = listener.accept() else {
                std::thread::park_timeout(LOOK_EVERY);
                continue;
            };
            if greeted.fetch_add(1, SeqCst) >= MAX_GREETED {
                greeted.fetch_sub(1, SeqCst);
                continue;
            }
            let (greeting, left) = (self.clone(), Arc::clone(&greeted));
            let spawned = self.spawn_greeting(move || {
                greeting.greet(socket, &address.to_string());
                left.fetch_sub(1, SeqCst);
            });
            if spawned.is_err() {
                greeted.fetch_sub(1, SeqCst);
            }
        }
    }

    /// A stranger that there is no thread for is no reason to give up.
    fn spawn_greeting(&self, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        std::thread::Builder::new().name("greet".to_owned()).spawn(body).map(drop)
    }

    fn greet(&self, socket: TcpStream, address: &str) {
        let _ = socket.set_nonblocking(false);
        let mut seated = None;
        let judge = |hello: &Hello| {
            if let Some(why) = self.hello.mismatch(hello) {
                return Err(why);
            }
            self.seats.take(hello, &socket)?;
            seated = Some(hello.clone());
            Ok(())
        };
        let answered =
            answer(&socket, &self.clock, &self.cluster.member.secret, &self.hello, judge);
        match answered {
            Ok(hello) => drop(self.arrived.send(Ok((hello.purpose, hello.index, socket)))),
            Err(refusal) => {
                if let Some(hello) = seated {
                    self.seats.leave(&hello);
                }
                let why = match refusal {
                    Refusal::Broken(why) | Refusal::Misfit(why) => why,
                    Refusal::Secret => "it has another secret".to_owned(),
                };
                tracing::warn!(%address, %why, "a connection was refused");
                self.note(None, format!("refused a connection from {address}: {why}"));
            }
        }
    }

    /// Dials a process until it answers, or says that this one does not belong to it.
    fn dial(&self, index: usize, purpose: Purpose) {
        let peer = self.peer(index);
        let hello = Hello { purpose, ..self.hello.clone() };
        let mut wait = AGAIN_AFTER[0];
        while !self.is_over.load(SeqCst) {
            let refusal = match self.dial_once(&peer, &hello) {
                Ok(socket) => {
                    let _ = self.arrived.send(Ok((purpose, index, socket)));
                    return;
                }
                Err(Refusal::Broken(why)) => {
                    self.note(Some(index), why);
                    std::thread::park_timeout(wait);
                    wait = (2 * wait).min(AGAIN_AFTER[1]);
                    continue;
                }
                Err(refusal) => refusal,
            };
            let (why, hint) = match refusal {
                Refusal::Misfit(why) => (shown_whole(&why), "run the same in every process"),
                _ => ("it has another secret".to_owned(), "give every process the same secret"),
            };
            let what = format!("process {index} at {} refuses: {why}", peer.address);
            let _ = self.arrived.send(Err(JobError::configuration(what).hint(hint)));
            return;
        }
    }

    fn dial_once(&self, peer: &Peer, hello: &Hello) -> Result<TcpStream, Refusal> {
        let broken = |error: io::Error| Refusal::Broken(error.to_string());
        let mut addresses = peer.address.to_socket_addrs().map_err(broken)?;
        let address = addresses.next();
        let address = address.ok_or_else(|| Refusal::Broken("it has no address".to_owned()))?;
        let socket = TcpStream::connect_timeout(&address, TRY_FOR).map_err(broken)?;
        let theirs = dial(&socket, &self.clock, &self.cluster.member.secret, hello)?;
        if let Some(why) = self.hello.mismatch(&theirs) {
            return Err(Refusal::Misfit(why));
        }
        match theirs.index == peer.index {
            true => Ok(socket),
            false => Err(Refusal::Misfit(format!("it is process {}", theirs.index))),
        }
    }
}

/// What the other wrote, in pieces that are safe to show.
fn shown_whole(why: &str) -> String {
    let letters: Vec<char> = why.chars().take(400).collect();
    letters.chunks(80).map(|piece| shown(&piece.iter().collect::<String>())).collect()
}
