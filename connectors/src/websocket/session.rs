//! One connected client: reads its messages, sends its frames, and ends it for a stated reason.

use super::handshake::Socket;
use super::hub::Hub;
use super::outbox::{Next, Outbox};
use super::protocol::{ClientMessage, Limits, Refusal, close_code};
use super::room::{Held, Room};
use axum::body::Bytes;
use futures_util::SinkExt as _;
use futures_util::stream::{SplitSink, SplitStream, StreamExt as _};
use std::fmt;
use std::future::pending;
use std::iter;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

/// Bytes of rows in one message; a row that is longer is a message of its own, and needs room first.
const MESSAGE_BYTES: usize = 64 * 1024;

/// A frame of a message. The buffer it is written from stays with the session.
const FRAME_BYTES: usize = 80 * 1024;

/// A send that takes longer had to wait for the client to read, which shows that it reads.
const WAITED: Duration = Duration::from_millis(20);

/// How long a close frame may take to leave.
const CLOSING: Duration = Duration::from_secs(1);

/// Why a session ends.
#[derive(Debug)]
enum End {
    /// The client left, or the connection broke.
    Gone,
    /// Its row makes way for those of others. Nothing can be said: it would wait behind the row.
    MakesWay,
    /// The server closes it.
    Close(u16, &'static str),
}

/// Serves one client until it leaves, breaks a rule, or the server stops.
pub(super) async fn serve(
    socket: Socket,
    hub: Hub,
    limits: Limits,
    room: Room,
    stop: watch::Receiver<bool>,
) {
    let (sink, mut incoming) = socket.split();
    let now = Instant::now();
    let mut session = Session {
        outbox: Outbox::new(hub, limits.subscriptions),
        sink,
        room,
        limits,
        greeted: false,
        seen: now,
        second: now,
        heard: 0,
        next_check: now + limits.hello,
        pinged: None,
        round: Round::Asleep,
        next_round: now,
        wanted: None,
    };
    let end = session.run(&mut incoming, stop).await;
    tracing::debug!(?end, "a client's session ended");
    if let End::Close(code, reason) = end {
        let frame = CloseFrame { code: code.into(), reason: reason.into() };
        let closing = async {
            let _ = session.sink.send(Message::Close(Some(frame))).await;
            // The client's own close frame, or the end of what it was still sending, if it ends.
            let mut rest = incoming.by_ref().take(limits.messages);
            while let Some(Ok(_)) = rest.next().await {}
        };
        let _ = timeout(CLOSING, closing).await;
    }
}

/// Where the session is in sending deltas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// Nothing changed since the last round.
    Asleep,
    /// Something changed; waits for the shortest interval to pass.
    Rung,
    /// Frames are being sent.
    Open,
}

#[derive(Debug)]
struct Session {
    outbox: Outbox,
    sink: SplitSink<Socket, Message>,
    room: Room,
    limits: Limits,
    greeted: bool,
    /// When the client last showed that it lives.
    seen: Instant,
    /// When messages were last counted from none, and how many came since.
    second: Instant,
    heard: usize,
    next_check: Instant,
    pinged: Option<Instant>,
    round: Round,
    next_round: Instant,
    /// Room for the row that is next, if it is a long one.
    wanted: Option<Wanted>,
}

/// Room that is waited for, and for how long a row.
struct Wanted {
    bytes: usize,
    held: Pin<Box<dyn Future<Output = Held> + Send>>,
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wanted({} bytes)", self.bytes)
    }
}

impl Session {
    async fn run(
        &mut self,
        incoming: &mut SplitStream<Socket>,
        mut stop: watch::Receiver<bool>,
    ) -> End {
        loop {
            let step = tokio::select! {
                biased;
                () = stopped(&mut stop) => {
                    Err(End::Close(close_code::GOING_AWAY, "the server stops"))
                }
                message = incoming.next() => self.take(message).await,
                () = sleep_until(self.next_check) => self.check().await,
                held = room(&mut self.wanted) => self.send_long(held).await,
                () = due(&self.outbox, &mut self.round, self.next_round), if self.wanted.is_none() => {
                    self.advance().await
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// Counts a message. Without a limit one would always be ready, and nothing else be done.
    fn count(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if now - self.second >= Duration::from_secs(1) {
            (self.second, self.heard) = (now, 0);
        }
        self.heard += 1;
        match self.heard <= self.limits.messages {
            true => Ok(()),
            false => Err(End::Close(close_code::TOO_MANY, "too many messages in a second")),
        }
    }

    async fn take(&mut self, message: Option<Result<Message, Error>>) -> Result<(), End> {
        self.count()?;
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Pong(_))) => {
                self.seen = Instant::now();
                return Ok(());
            }
            Some(Ok(Message::Ping(_))) => {
                self.seen = Instant::now();
                // Its answer has to leave before the next is heard: answers must not pile up.
                return self.drain(iter::empty()).await;
            }
            Some(Ok(Message::Binary(_))) => {
                return Err(End::Close(close_code::BAD_MESSAGE, "messages are text"));
            }
            Some(Err(Error::Capacity(_))) => {
                return Err(End::Close(close_code::TOO_LARGE, "a message is above 64 KiB"));
            }
            Some(Err(Error::Io(_)) | Ok(Message::Close(_) | Message::Frame(_))) | None => {
                return Err(End::Gone);
            }
            Some(Err(_)) => {
                return Err(End::Close(close_code::BAD_MESSAGE, "a frame breaks RFC 6455"));
            }
        };
        self.seen = Instant::now();
        let Ok(message) = serde_json::from_str(&text) else {
            return Err(End::Close(close_code::BAD_MESSAGE, "not a message of waystream.v1"));
        };
        self.answer(message).await
    }

    async fn answer(&mut self, message: ClientMessage) -> Result<(), End> {
        if !self.greeted && !matches!(message, ClientMessage::Hello) {
            return Err(End::Close(close_code::BAD_MESSAGE, "the first message is hello"));
        }
        match message {
            ClientMessage::Hello => {
                self.greeted = true;
                self.send(self.outbox.encoder().welcome()).await
            }
            ClientMessage::Subscribe { id, view, part, mode } => {
                let narrowed = part.is_some_and(|part| part != "everything");
                let refusal = if narrowed || mode.is_some_and(|mode| mode != "live") {
                    let message = "only whole views, live, are served".to_owned();
                    Some(Refusal { id, code: "unsupported", message, retry: false })
                } else {
                    self.outbox.subscribe(id, &view).err()
                };
                match refusal {
                    Some(refusal) => self.send(self.outbox.encoder().refusal(&refusal)).await,
                    None => Ok(()),
                }
            }
            ClientMessage::Unsubscribe { id } => {
                self.outbox.unsubscribe(id);
                Ok(())
            }
            ClientMessage::Pong => Ok(()),
        }
    }

    /// Pings a silent client and ends a dead one.
    async fn check(&mut self) -> Result<(), End> {
        if !self.greeted {
            return Err(End::Close(close_code::NO_HELLO, "no hello within 15 s"));
        }
        match self.pinged {
            Some(pinged) if self.seen < pinged => {
                Err(End::Close(close_code::NO_PONG, "no pong within 10 s"))
            }
            Some(_) => {
                self.pinged = None;
                self.next_check =
                    Instant::now() + self.limits.ping.saturating_sub(self.limits.pong);
                Ok(())
            }
            None => {
                self.send(self.outbox.encoder().ping()).await?;
                let pinged = Instant::now();
                self.pinged = Some(pinged);
                self.next_check = pinged + self.limits.pong;
                Ok(())
            }
        }
    }

    /// Sends one message of the round, so that the client is heard between them.
    async fn advance(&mut self) -> Result<(), End> {
        if self.round == Round::Rung {
            self.outbox.begin_round();
            self.round = Round::Open;
        }
        match self.outbox.next_message(MESSAGE_BYTES) {
            Next::Message(message) => self.send(message).await,
            Next::TooLong(bytes) => {
                // It may have grown when there is room for it.
                let bytes = bytes + bytes / 8;
                self.wanted = Some(Wanted { bytes, held: Box::pin(self.room.clone().take(bytes)) });
                Ok(())
            }
            Next::Over => {
                self.round = Round::Asleep;
                self.next_round = Instant::now() + self.limits.interval;
                Ok(())
            }
        }
    }

    /// Sends a row that is longer than a message, now that there is room for it.
    async fn send_long(&mut self, (bytes, held): (usize, Held)) -> Result<(), End> {
        self.wanted = None;
        // If it has grown beyond that, it waits again.
        let Next::Message(message) = self.outbox.next_message(bytes) else { return Ok(()) };
        tokio::select! {
            biased;
            sent = self.send(message) => sent,
            () = held.makes_way() => Err(End::MakesWay),
        }
    }

    async fn send(&mut self, message: String) -> Result<(), End> {
        self.drain(frames(message)).await
    }

    /// Waits until everything has left, these messages too.
    async fn drain(&mut self, messages: impl Iterator<Item = Message>) -> Result<(), End> {
        let begun = Instant::now();
        let sink = &mut self.sink;
        let sending = async {
            for message in messages {
                sink.send(message).await?;
            }
            sink.flush().await
        };
        let sent = timeout(self.limits.drain, sending).await;
        match sent {
            Ok(Ok(())) => {
                let done = Instant::now();
                if done - begun > WAITED {
                    self.seen = done;
                }
                Ok(())
            }
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Close(close_code::TOO_SLOW, "nothing was read for 30 s")),
        }
    }
}

/// A message in frames of [`FRAME_BYTES`] at most.
fn frames(message: String) -> impl Iterator<Item = Message> + Send {
    let mut rest = Bytes::from(message);
    let mut kind = Data::Text;
    iter::from_fn(move || {
        let part = rest.split_to(rest.len().min(FRAME_BYTES));
        let frame = Frame::message(part, OpCode::Data(kind), rest.is_empty());
        kind = Data::Continue;
        (!frame.payload().is_empty()).then_some(Message::Frame(frame))
    })
}

/// Ready when the server stops.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Ready when there is the room that is wanted; safe to drop and ask again, which keeps its place.
async fn room(wanted: &mut Option<Wanted>) -> (usize, Held) {
    match wanted {
        Some(wanted) => (wanted.bytes, wanted.held.as_mut().await),
        None => pending().await,
    }
}

/// Ready when a message may be sent; safe to drop and ask again.
async fn due(outbox: &Outbox, round: &mut Round, next_round: Instant) {
    if *round == Round::Open {
        return;
    }
    if *round == Round::Asleep {
        outbox.bell().rung().await;
        *round = Round::Rung;
    }
    sleep_until(next_round).await;
}
