//! The places that other processes take at one that gathers them: one for each connection that is
//! still to come.

use super::hello::{Hello, Purpose};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A place and who has it.
type Taken = BTreeMap<(Purpose, usize), Option<TcpStream>>;

/// Who is to come, and who has come.
#[derive(Clone, Debug)]
pub(super) struct Seats(Arc<Mutex<Taken>>);

impl Seats {
    /// Every later process dials for data, and every other one process 0 for control.
    pub(super) fn of(index: usize, processes: usize) -> Self {
        let data = (index + 1..processes).map(|other| (Purpose::Data, other));
        let others = if index == 0 { 1..processes } else { 0..0 };
        let control = others.map(|other| (Purpose::Control, other));
        Self(Arc::new(Mutex::new(data.chain(control).map(|seat| (seat, None)).collect())))
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a process its place, unless somebody is there who is still alive.
    pub(super) fn take(&self, hello: &Hello, socket: &TcpStream) -> Result<(), String> {
        let mut seats = self.lock();
        let index = hello.index;
        let Some(seat) = seats.get_mut(&(hello.purpose, index)) else {
            return Err(format!("a process {index} has no business here: check --process"));
        };
        if seat.as_ref().is_some_and(is_alive) {
            return Err(format!("a process {index} is here already: check --process"));
        }
        *seat = Some(socket.try_clone().map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Frees the place of a connection that did not come about.
    pub(super) fn leave(&self, hello: &Hello) {
        if let Some(seat) = self.lock().get_mut(&(hello.purpose, hello.index)) {
            *seat = None;
        }
    }

    /// The processes that are not all here, in order.
    pub(super) fn missing(&self) -> Vec<usize> {
        let seats = self.lock();
        let missing = seats.iter().filter(|(_, seat)| !seat.as_ref().is_some_and(is_alive));
        let mut missing: Vec<usize> = missing.map(|((_, index), _)| *index).collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }
}

/// Whether the other side has not closed a connection. Nothing is taken from it.
fn is_alive(socket: &TcpStream) -> bool {
    let mut byte = [0; 1];
    match recv(socket, byte.as_mut_slice(), RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((_, count)) => count > 0,
        Err(error) => error == Errno::AGAIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn hello(index: usize, purpose: Purpose) -> Hello {
        let texts = [(); 5].map(|()| String::new());
        let [job, build, plan, options, run] = texts;
        Hello { job, build, hosts: Vec::new(), workers: 1, plan, options, run, index, purpose }
    }

    #[test]
    fn a_place_is_free_again_when_who_had_it_is_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = || {
            let there = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (listener.accept().unwrap().0, there)
        };
        let seats = Seats::of(1, 3);
        assert_eq!(seats.missing(), [2]);
        let (here, there) = connect();
        for (index, purpose) in [(0, Purpose::Data), (2, Purpose::Control), (3, Purpose::Data)] {
            let refused = seats.take(&hello(index, purpose), &here).unwrap_err();
            assert!(refused.contains("no business here"), "{refused}");
        }
        seats.take(&hello(2, Purpose::Data), &here).unwrap();
        assert!(seats.missing().is_empty());
        let refused = seats.take(&hello(2, Purpose::Data), &here).unwrap_err();
        assert!(refused.contains("a process 2 is here already"), "{refused}");
        drop(there);
        while seats.missing().is_empty() {
            std::thread::yield_now();
        }
        let (other, _there) = connect();
        seats.take(&hello(2, Purpose::Data), &other).unwrap();
        assert!(seats.missing().is_empty());
        assert_eq!(Seats::of(0, 3).missing(), [1, 2]);
    }
}
