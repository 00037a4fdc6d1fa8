//! How two processes prove to each other that they have the job's secret, before either believes or
//! keeps anything that the other says.
//!
//! Both send a fixed line and a nonce. Then the one that dialled says who it is, with a proof made
//! of the secret, both nonces and what it says; the other looks at the proof first, and answers in
//! the same way. Every length is fixed or capped, and all of it has to come within a few seconds.

use super::hello::Hello;
use super::secret::{Secret, random_bytes};
use crate::clock::Clock;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// What every connection begins with; the number is the protocol's version.
const LINE: &[u8; 24] = b"waystream processes 001\n";
/// As much of it as tells a Waystream of another version from a stranger.
const NAME: usize = 20;
const NONCE: usize = 32;
const PROOF: usize = 32;
/// The longest text of one process about itself.
const MAX_TEXT: usize = 256 << 10;
/// How long it may take.
pub(super) const PATIENCE_MS: i64 = 5_000;

/// Why two processes did not come together.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The connection failed, or a stranger is there: it may be worth another try.
    Broken(String),
    /// The other has another secret.
    Secret,
    /// Another version of this program, or one that does not fit.
    Misfit(String),
}

/// A connection that is read and written until a moment.
struct Bounded<'a> {
    socket: &'a TcpStream,
    clock: &'a Arc<dyn Clock>,
    until_ms: i64,
}

impl<'a> Bounded<'a> {
    fn new(socket: &'a TcpStream, clock: &'a Arc<dyn Clock>) -> Self {
        Self { socket, clock, until_ms: clock.ticks_ms() + PATIENCE_MS }
    }

    fn read(&mut self, into: &mut [u8]) -> Result<(), Refusal> {
        let mut filled = 0;
        while filled < into.len() {
            let left_ms = u64::try_from(self.until_ms - self.clock.ticks_ms()).unwrap_or(0);
            if left_ms == 0 {
                return Err(Refusal::Broken("it said too little in time".to_owned()));
            }
            let read = self
                .socket
                .set_read_timeout(Some(Duration::from_millis(left_ms)))
                .and_then(|()| (&*self.socket).read(&mut into[filled..]));
            match read {
                Ok(0) => return Err(Refusal::Broken("it closed the connection".to_owned())),
                Ok(read) => filled += read,
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(Refusal::Broken(error.to_string())),
            }
        }
        Ok(())
    }

    /// What is written is short, so it fits into what the system holds for a peer that is there.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let patience = Duration::from_millis(PATIENCE_MS as u64);
        let written = self
            .socket
            .set_write_timeout(Some(patience))
            .and_then(|()| (&*self.socket).write_all(bytes));
        written.map_err(|error| Refusal::Broken(error.to_string()))
    }

    /// The other's line, looked at before anything else is read, and its nonce.
    fn opening(&mut self) -> Result<[u8; NONCE], Refusal> {
        let mut line = [0; LINE.len()];
        self.read(&mut line[..1])?;
        if line[0] == LINE[0] {
            self.read(&mut line[1..])?;
        }
        if line[..NAME] != LINE[..NAME] {
            return Err(Refusal::Broken("it is no Waystream process".to_owned()));
        }
        if line != *LINE {
            let what = "it speaks another version of the protocol between processes";
            return Err(Refusal::Misfit(what.to_owned()));
        }
        let mut nonce = [0; NONCE];
        self.read(&mut nonce)?;
        Ok(nonce)
    }

    fn send_text(&mut self, text: &[u8], proof: &blake3::Hash) -> Result<(), Refusal> {
        let mut message = (text.len() as u32).to_le_bytes().to_vec();
        message.extend_from_slice(text);
        message.extend_from_slice(proof.as_bytes());
        self.write(&message)
    }

    /// A text with its proof. Memory is taken for it as it comes.
    fn text(&mut self) -> Result<(Vec<u8>, blake3::Hash), Refusal> {
        let mut length = [0; 4];
        self.read(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_TEXT {
            return Err(Refusal::Broken("it announces too long a text".to_owned()));
        }
        let mut text = Vec::new();
        while text.len() < length {
            let before = text.len();
            text.resize(length.min(before + 4096), 0);
            self.read(&mut text[before..])?;
        }
        let mut proof = [0; PROOF];
        self.read(&mut proof)?;
        Ok((text, blake3::Hash::from_bytes(proof)))
    }
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

fn nonce() -> Result<[u8; NONCE], Refusal> {
    random_bytes().map_err(|error| Refusal::Broken(error.to_string()))
}

fn encoded(hello: &Hello) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(hello).map_err(|error| Refusal::Broken(error.to_string()))
}

fn decoded(text: &[u8]) -> Result<Hello, Refusal> {
    let wrong = |_| Refusal::Misfit("it says of itself what is not understood".to_owned());
    serde_json::from_slice(text).map_err(wrong)
}

/// The side that dialled. Returns what the other said of itself.
pub(super) fn dial(
    socket: &TcpStream,
    clock: &Arc<dyn Clock>,
    secret: &Secret,
    hello: &Hello,
) -> Result<Hello, Refusal> {
    let mut bounded = Bounded::new(socket, clock);
    let ours = nonce()?;
    bounded.write(&[LINE.as_slice(), ours.as_slice()].concat())?;
    let theirs = bounded.opening()?;
    let text = encoded(hello)?;
    bounded.send_text(&text, &secret.proof(&[b"dialled", &ours, &theirs, &text]))?;
    let mut verdict = [0; 1];
    bounded.read(&mut verdict)?;
    let [verdict] = verdict;
    if verdict == Verdict::Secret as u8 {
        return Err(Refusal::Secret);
    }
    let (text, proof) = bounded.text()?;
    if proof != secret.proof(&[b"answered", &[verdict], &theirs, &ours, &text]) {
        return Err(Refusal::Secret);
    }
    if verdict == Verdict::Misfit as u8 {
        return Err(Refusal::Misfit(String::from_utf8_lossy(&text).into_owned()));
    }
    decoded(&text)
}

/// The first byte of an answer.
#[derive(Clone, Copy, Debug)]
enum Verdict {
    Welcome = 1,
    Secret = 2,
    Misfit = 3,
}

/// The side that was dialled. `judge` says whether who has proved itself may come in. Returns what
/// the other said of itself.
pub(super) fn answer(
    socket: &TcpStream,
    clock: &Arc<dyn Clock>,
    secret: &Secret,
    ours: &Hello,
    judge: impl FnOnce(&Hello) -> Result<(), String>,
) -> Result<Hello, Refusal> {
    let mut bounded = Bounded::new(socket, clock);
    let own = nonce()?;
    let theirs = match bounded.opening() {
        Err(Refusal::Misfit(why)) => {
            let _ = bounded.write(&[LINE.as_slice(), own.as_slice()].concat());
            return Err(Refusal::Misfit(why));
        }
        opening => opening?,
    };
    bounded.write(&[LINE.as_slice(), own.as_slice()].concat())?;
    let (text, proof) = bounded.text()?;
    if proof != secret.proof(&[b"dialled", &theirs, &own, &text]) {
        bounded.write(&[Verdict::Secret as u8])?;
        return Err(Refusal::Secret);
    }
    let hello = decoded(&text);
    let judged = match &hello {
        Ok(hello) => judge(hello),
        Err(_) => Err("what it says of itself is not understood".to_owned()),
    };
    let (verdict, text) = match &judged {
        Ok(()) => (Verdict::Welcome as u8, encoded(ours)?),
        Err(why) => (Verdict::Misfit as u8, why.clone().into_bytes()),
    };
    bounded.write(&[verdict])?;
    bounded.send_text(&text, &secret.proof(&[b"answered", &[verdict], &own, &theirs, &text]))?;
    judged.map_err(Refusal::Misfit)?;
    hello
}
