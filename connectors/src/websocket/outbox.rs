//! What one client is still to be sent: its subscriptions, and whose turn it is.
//!
//! Nothing is kept per message, and no rows: a subscription is a position in its view, also while
//! its snapshot is sent. All that a session holds for a client that does not read is one message of
//! 64 KiB and the buffers it is written from, or a longer row, of which the [`Room`](super::room)
//! bounds how many there are.

use super::bell::Bell;
use super::hub::{Hub, Subscription, View};
use super::protocol::{Encoder, Position, Refusal};
use super::table::{Changes, Chunk, FrameSize};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Rows of one frame at most.
const FRAME_ROWS: usize = 4_096;

/// What is to be sent next.
#[derive(Debug)]
pub(super) enum Next {
    Frame(String),
    /// A row that needs a frame of so many bytes.
    TooLong(usize),
    /// Nothing more in this round.
    Over,
}

#[derive(Debug)]
struct Stream {
    view: View,
    /// `None` until its first turn.
    subscription: Option<Subscription>,
}

/// The outgoing side of one session.
#[derive(Debug)]
pub(super) struct Outbox {
    hub: Hub,
    bell: Arc<Bell>,
    encoder: Encoder,
    streams: BTreeMap<u32, Stream>,
    /// Subscriptions left in this round. Bound: the subscriptions; nobody waits.
    turns: VecDeque<u32>,
    /// Whose snapshot is complete with the frame before, and where.
    complete: Option<(u32, Position)>,
    limit: usize,
}

impl Outbox {
    pub(super) fn new(hub: Hub, limit: usize) -> Self {
        let encoder = Encoder { generation: hub.generation() };
        Self {
            hub,
            bell: Arc::default(),
            encoder,
            streams: BTreeMap::new(),
            turns: VecDeque::new(),
            complete: None,
            limit,
        }
    }

    pub(super) fn encoder(&self) -> Encoder {
        self.encoder
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Adds a subscription; it begins when its turn comes.
    pub(super) fn subscribe(&mut self, id: u32, view: &str) -> Result<(), Refusal> {
        let refuse = |code, message, retry| Err(Refusal { id, code, message, retry });
        if self.streams.contains_key(&id) {
            return refuse("id-in-use", format!("subscription {id} exists already"), false);
        }
        if self.streams.len() >= self.limit {
            let message = format!("a connection has at most {} subscriptions", self.limit);
            return refuse("too-many-subscriptions", message, false);
        }
        let Some(view) = self.hub.find(view) else {
            let names: Vec<_> = self.hub.views().iter().map(|v| v.name().to_owned()).collect();
            let message = format!("no view \"{view}\"; there are: {}", names.join(", "));
            return refuse("no-such-view", message, true);
        };
        self.streams.insert(id, Stream { view, subscription: None });
        self.bell.ring();
        Ok(())
    }

    /// Ends a subscription; an unknown one is already ended.
    pub(super) fn unsubscribe(&mut self, id: u32) {
        self.streams.remove(&id);
        self.turns.retain(|turn| *turn != id);
        self.complete.take_if(|(complete, _)| *complete == id);
    }

    /// Begins a round: every subscription gets its turn.
    pub(super) fn begin_round(&mut self) {
        self.bell.listen();
        self.turns.clear();
        self.turns.extend(self.streams.keys());
    }

    /// The next frame of the round, of rows that are so long at most.
    pub(super) fn next_frame(&mut self, bytes: usize) -> Next {
        let size = FrameSize { rows: FRAME_ROWS, bytes };
        loop {
            if let Some((id, at)) = self.complete.take() {
                let end = Chunk { at, rows: Vec::new(), first: false, last: true };
                return Next::Frame(self.rows(id, &end));
            }
            let Some(id) = self.turns.pop_front() else { return Next::Over };
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let begin = || stream.view.subscribe(self.bell.clone());
            // Whoever has more waits behind the others.
            match stream.subscription.get_or_insert_with(begin).changes(size) {
                Changes::TooLong(bytes) => {
                    self.turns.push_front(id);
                    return Next::TooLong(bytes);
                }
                Changes::Lost => {
                    self.turns.push_back(id);
                    let reason = "too far behind; a snapshot follows";
                    return Next::Frame(self.encoder.reset(id, reason));
                }
                Changes::Rows(chunk) => {
                    if !chunk.last {
                        self.turns.push_back(id);
                    }
                    return Next::Frame(self.rows(id, &chunk));
                }
                Changes::Delta(delta) => {
                    if !delta.last {
                        self.turns.push_back(id);
                    }
                    if delta.ends_snapshot {
                        self.complete = Some((id, delta.at));
                    }
                    if !(delta.upsert.is_empty() && delta.remove.is_empty()) {
                        return Next::Frame(self.encoder.delta(id, &delta));
                    }
                }
            }
        }
    }

    fn rows(&self, id: u32, chunk: &Chunk) -> String {
        let view = self.streams.get(&id).map_or("", |stream| stream.view.name());
        self.encoder.snapshot(id, view, chunk)
    }
}
