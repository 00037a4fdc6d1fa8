//! What one client is still to be sent: its subscriptions, and whose turn it is.
//!
//! Nothing is kept per message. A subscription is a position in its view, and the one snapshot
//! being sent is the only rows an outbox holds.

use super::bell::Bell;
use super::hub::{Hub, Subscription, View};
use super::protocol::{Encoder, Position, Refusal, SnapshotChunk};
use super::table::{Changes, FrameSize, KeyedRow, Snapshot};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// One frame at most; a frame ends with the row that passes it.
const FRAME: FrameSize = FrameSize { rows: 4_096, bytes: 64 * 1024 };

#[derive(Debug)]
struct Stream {
    view: View,
    /// `None` until its first turn.
    subscription: Option<Subscription>,
}

/// A snapshot under way.
#[derive(Debug)]
struct Sending {
    id: u32,
    at: Position,
    rows: Vec<KeyedRow>,
    sent: usize,
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
    sending: Option<Sending>,
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
            sending: None,
            limit,
        }
    }

    pub(super) fn encoder(&self) -> Encoder {
        self.encoder
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Adds a subscription; its snapshot is taken when its turn comes.
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
        self.sending.take_if(|sending| sending.id == id);
    }

    /// Begins a round: every subscription gets its turn.
    pub(super) fn begin_round(&mut self) {
        self.bell.listen();
        self.turns.clear();
        self.turns.extend(self.streams.keys());
    }

    /// The next frame of the round, or `None` when it is over.
    pub(super) fn next_frame(&mut self) -> Option<String> {
        loop {
            if let Some(frame) = self.next_chunk() {
                return Some(frame);
            }
            let id = *self.turns.front()?;
            let Some(stream) = self.streams.get_mut(&id) else {
                self.turns.pop_front();
                continue;
            };
            let Some(subscription) = &stream.subscription else {
                let (subscription, snapshot) = stream.view.subscribe(self.bell.clone());
                stream.subscription = Some(subscription);
                self.send(id, snapshot);
                continue;
            };
            match subscription.changes(FRAME) {
                Changes::Lost => {
                    let snapshot = subscription.snapshot();
                    self.send(id, snapshot);
                    return Some(self.encoder.reset(id, "too far behind; a snapshot follows"));
                }
                Changes::Delta(delta) => {
                    // Whoever has more waits behind the others.
                    self.turns.pop_front();
                    if !delta.last {
                        self.turns.push_back(id);
                    }
                    if !(delta.upsert.is_empty() && delta.remove.is_empty()) {
                        return Some(self.encoder.delta(id, &delta));
                    }
                }
            }
        }
    }

    fn send(&mut self, id: u32, snapshot: Snapshot) {
        let Snapshot { at, rows } = snapshot;
        self.sending = Some(Sending { id, at, rows, sent: 0 });
    }

    fn next_chunk(&mut self) -> Option<String> {
        let sending = self.sending.as_mut()?;
        let rest = &sending.rows[sending.sent..];
        let mut bytes = 0;
        let fits = rest.iter().take(FRAME.rows).take_while(|(key, row)| {
            let fits = bytes < FRAME.bytes;
            bytes += key.len() + row.len();
            fits
        });
        let count = fits.count();
        let last = count == rest.len();
        let chunk = SnapshotChunk {
            id: sending.id,
            view: self.streams.get(&sending.id).map_or("", |stream| stream.view.name()),
            at: sending.at,
            rows: &rest[..count],
            first: sending.sent == 0,
            last,
        };
        let frame = self.encoder.snapshot(&chunk);
        sending.sent += count;
        if last {
            self.sending = None;
        }
        Some(frame)
    }
}
