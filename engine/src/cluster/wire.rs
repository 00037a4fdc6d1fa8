//! A connection between two processes of a job once they know each other: frames both ways, and a
//! heartbeat, so that a peer that is dead, stopped or cut off is noticed and named.

use super::frame::{HEAD, Head, Kind, MAX_PAYLOAD, encode};
use crate::error::{ErrorKind, JobError, Result};
use std::fmt::Display;
use std::io::{self, ErrorKind::Interrupted, ErrorKind::TimedOut, ErrorKind::WouldBlock};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The longest time between two looks whether the job has failed while a peer is silent.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The longest time between two heartbeats.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// The longest message.
const MAX_MESSAGE: usize = 256 << 20;
/// Bytes read ahead of the frame at hand.
const READ_AHEAD: usize = 64 << 10;

/// Another process of the job, as messages name it.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) index: usize,
    pub(super) address: String,
}

impl Peer {
    /// The error of having lost it.
    pub(super) fn lost(&self, why: impl Display) -> JobError {
        let what = format!("process {} at {} is lost: {why}", self.index, self.address);
        JobError::new(ErrorKind::Lost, what)
            .hint("start all processes again: the job goes on from its last checkpoint")
    }
}

/// The sending side. Anybody may send; a frame is never torn by another.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) peer: Peer,
    socket: TcpStream,
    /// Where a frame is put together; whoever sends holds it until all of it is written.
    frame: Mutex<Vec<u8>>,
    timeout: Duration,
    is_closed: AtomicBool,
}

impl Wire {
    /// Takes a connection over and begins to send heartbeats.
    pub(super) fn new(peer: Peer, socket: TcpStream, timeout: Duration) -> Result<Arc<Self>> {
        let looks = LOOK_EVERY.min(timeout);
        let set = socket
            .set_nonblocking(false)
            .and_then(|()| socket.set_nodelay(true))
            .and_then(|()| socket.set_read_timeout(Some(looks)))
            .and_then(|()| socket.set_write_timeout(Some(timeout)));
        set.map_err(|error| peer.lost(error))?;
        let (frame, is_closed) = (Mutex::default(), AtomicBool::new(false));
        let wire = Arc::new(Self { peer, socket, frame, timeout, is_closed });
        let beating = Arc::clone(&wire);
        let name = format!("beat {}", wire.peer.index);
        let every = BEAT_EVERY.min(timeout / 5);
        let beat = move || {
            while !beating.is_closed.load(SeqCst) && beating.send(Kind::Beat, &[]).is_ok() {
                std::thread::park_timeout(every);
            }
        };
        let spawned = std::thread::Builder::new().name(name).spawn(beat);
        spawned.map_err(|error| {
            JobError::unavailable("cannot start the thread of a heartbeat")
                .hint("allow more threads (ulimit -u)")
                .caused_by(error)
        })?;
        Ok(wire)
    }

    /// Sends one frame. Waits while the peer takes none, for no longer than the timeout without any
    /// byte gone.
    pub(super) fn send(&self, kind: Kind, payload: &[u8]) -> Result<()> {
        let mut frame = self.frame.lock().unwrap_or_else(PoisonError::into_inner);
        frame.clear();
        encode(kind, payload, &mut frame);
        let mut left = frame.as_slice();
        while !left.is_empty() {
            match (&self.socket).write(left) {
                Ok(0) => return Err(self.peer.lost("it takes no more bytes")),
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == Interrupted => {}
                Err(error) if matches!(error.kind(), WouldBlock | TimedOut) => {
                    let seconds = self.timeout.as_secs_f32();
                    return Err(self.peer.lost(format!("it has taken no byte for {seconds} s")));
                }
                Err(error) => return Err(self.peer.lost(error)),
            }
        }
        Ok(())
    }

    /// Sends a message of any length up to the cap, in as many frames as it needs.
    pub(super) fn send_message(&self, message: &[u8]) -> Result<()> {
        let mut left = message;
        while left.len() > MAX_PAYLOAD {
            let (part, rest) = left.split_at(MAX_PAYLOAD);
            self.send(Kind::Part, part)?;
            left = rest;
        }
        self.send(Kind::Message, left)
    }

    /// Says how it ended, and that nothing more comes. The peer is still listened to.
    pub(super) fn end(&self, kind: Kind) {
        if !self.is_closed.swap(true, SeqCst) {
            let _ = self.send(kind, &[]);
            let _ = self.socket.shutdown(Shutdown::Write);
        }
    }

    /// The receiving side. There is one.
    pub(super) fn receiver(self: &Arc<Self>) -> Receiver {
        let wire = Arc::clone(self);
        Receiver { wire, ahead: vec![0; READ_AHEAD].into(), start: 0, end: 0 }
    }
}

/// The receiving side.
#[derive(Debug)]
pub(super) struct Receiver {
    wire: Arc<Wire>,
    ahead: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Receiver {
    /// Waits for the next frame that is no heartbeat, adds its bytes to `payload`, and says what it
    /// is; `None` once `is_over` says that nobody needs it any more.
    pub(super) fn next(
        &mut self,
        payload: &mut Vec<u8>,
        is_over: &dyn Fn() -> bool,
    ) -> Result<Option<Kind>> {
        loop {
            let mut head = [0; HEAD];
            if !self.read_exact(&mut head, is_over)? {
                return Ok(None);
            }
            let sent = |why| self.wire.peer.lost(format!("it sent {why}"));
            let head = Head::decode(head).map_err(sent)?;
            let before = payload.len();
            payload.resize(before + head.length, 0);
            if !self.read_exact(&mut payload[before..], is_over)? {
                return Ok(None);
            }
            if !head.fits(&payload[before..]) {
                return Err(self.wire.peer.lost("bytes were changed on the way"));
            }
            if head.kind != Kind::Beat {
                return Ok(Some(head.kind));
            }
            payload.truncate(before);
        }
    }

    /// Waits for a whole message; `None` when the peer has ended, or nobody needs it any more.
    pub(super) fn message(&mut self, is_over: &dyn Fn() -> bool) -> Result<Option<Vec<u8>>> {
        let mut message = Vec::new();
        loop {
            match self.next(&mut message, is_over)? {
                Some(Kind::Message) => return Ok(Some(message)),
                Some(Kind::Part) if message.len() <= MAX_MESSAGE => {}
                Some(Kind::End) | None => return Ok(None),
                Some(_) => return Err(self.wire.peer.lost("it sent what is no message")),
            }
        }
    }

    fn read_exact(&mut self, into: &mut [u8], is_over: &dyn Fn() -> bool) -> Result<bool> {
        let mut filled = 0;
        while filled < into.len() {
            let here = &self.ahead[self.start..self.end];
            if !here.is_empty() {
                let count = here.len().min(into.len() - filled);
                into[filled..filled + count].copy_from_slice(&here[..count]);
                self.start += count;
                filled += count;
                continue;
            }
            let Some(read) = self.read_some(is_over)? else { return Ok(false) };
            (self.start, self.end) = (0, read);
        }
        Ok(true)
    }

    /// Counts the looks without a byte: who was stopped itself for a while sees one of them, and
    /// then what its peers have sent meanwhile.
    fn read_some(&mut self, is_over: &dyn Fn() -> bool) -> Result<Option<usize>> {
        let mut silent = Duration::ZERO;
        loop {
            match (&self.wire.socket).read(&mut self.ahead) {
                Ok(0) => return Err(self.wire.peer.lost("its connection was closed")),
                Ok(read) => return Ok(Some(read)),
                Err(error) if error.kind() == Interrupted => {}
                Err(error) if matches!(error.kind(), WouldBlock | TimedOut) => {
                    if is_over() {
                        return Ok(None);
                    }
                    silent += LOOK_EVERY.min(self.wire.timeout);
                    if silent >= self.wire.timeout {
                        let seconds = self.wire.timeout.as_secs_f32();
                        let why = format!("no sign of life for {seconds} s");
                        return Err(self.wire.peer.lost(why));
                    }
                }
                Err(error) => return Err(self.wire.peer.lost(reset(&error))),
            }
        }
    }
}

/// A process that was killed may have left bytes unread; the system then calls it a reset.
fn reset(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionReset => "its connection was closed".to_owned(),
        _ => error.to_string(),
    }
}
