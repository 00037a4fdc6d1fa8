//! What timely reads and writes between two processes: a stream of its messages over frames.
//!
//! Timely panics when a read fails, so none does: the failure is noted for the job, and the stream
//! ends as one that was closed in order. Messages are handed over whole, so that such an end never
//! leaves half of one behind.

use super::frame::{Kind, MAX_PAYLOAD};
use super::wire::{Receiver, Wire};
use crate::failure::Failure;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use timely::communication::allocator::zero_copy::stream::Stream;

/// Bytes of the head of timely's messages, six numbers; the fifth is the length of what follows,
/// and a head with length 0 is the last.
const TIMELY_HEAD: usize = 48;
/// The longest message of timely's.
const MAX_MESSAGE: u64 = 1 << 30;
/// Bytes that are kept for the next messages.
const KEPT: usize = 4 << 20;

/// One end of the connection to one process.
#[derive(Debug)]
pub(super) struct Link {
    wire: Arc<Wire>,
    failure: Failure,
    receiver: Option<Receiver>,
    /// What was received; whole messages up to `whole`, handed over up to `taken`.
    bytes: Vec<u8>,
    whole: usize,
    taken: usize,
    /// Whether timely's own end has been received.
    is_complete: bool,
    is_closed: bool,
}

impl Link {
    pub(super) fn new(wire: Arc<Wire>, failure: Failure) -> Self {
        Self {
            wire,
            failure,
            receiver: None,
            bytes: Vec::new(),
            whole: 0,
            taken: 0,
            is_complete: false,
            is_closed: false,
        }
    }

    /// Receives until there is a whole message, or the end.
    fn receive(&mut self) {
        let failure = self.failure.clone();
        let receiver = self.receiver.get_or_insert_with(|| self.wire.receiver());
        let received = receiver.next(&mut self.bytes, &|| failure.is_set());
        match received {
            Ok(Some(Kind::Data)) if !failure.is_set() => self.find_whole(),
            Ok(Some(Kind::End)) if self.is_complete => self.is_closed = true,
            Ok(Some(Kind::Failed)) => self.close("it has stopped"),
            Ok(None) => self.close("the job has failed"),
            Ok(Some(_)) => self.close("it sent what does not belong here"),
            Err(error) => {
                self.failure.set(error);
                self.close("");
            }
        }
    }

    /// Ends the stream for timely before its time.
    fn close(&mut self, why: &str) {
        if !self.failure.is_set() {
            self.failure.set(self.wire.peer.lost(why));
        }
        self.bytes.truncate(self.whole);
        if !self.is_complete {
            self.bytes.resize(self.whole + TIMELY_HEAD, 0);
            self.whole = self.bytes.len();
            self.is_complete = true;
        }
        self.is_closed = true;
    }

    fn find_whole(&mut self) {
        while let Some(head) = self.bytes.get(self.whole..self.whole + TIMELY_HEAD) {
            let mut length = [0; 8];
            length.copy_from_slice(&head[32..40]);
            let length = u64::from_be_bytes(length);
            if length > MAX_MESSAGE || self.is_complete {
                return self.close("it sent a message that is none");
            }
            let end = self.whole + TIMELY_HEAD + length as usize;
            if end > self.bytes.len() {
                return;
            }
            self.whole = end;
            self.is_complete = length == 0;
        }
    }

    fn forget_taken(&mut self) {
        self.bytes.drain(..self.taken);
        self.whole -= self.taken;
        self.taken = 0;
        if self.bytes.capacity() > KEPT && self.bytes.len() < KEPT {
            self.bytes.shrink_to(KEPT);
        }
    }
}

impl Read for Link {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.whole {
            if self.is_closed {
                return Ok(0);
            }
            self.forget_taken();
            self.receive();
        }
        let count = into.len().min(self.whole - self.taken);
        into[..count].copy_from_slice(&self.bytes[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(MAX_PAYLOAD);
        // What a failed job has to say is nobody's business any more.
        if !self.failure.is_set()
            && let Err(error) = self.wire.send(Kind::Data, &bytes[..count])
        {
            self.failure.set(error);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Link {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self::new(Arc::clone(&self.wire), self.failure.clone()))
    }

    fn set_nonblocking(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        self.wire.end(if self.failure.is_set() { Kind::Failed } else { Kind::End });
        Ok(())
    }
}
