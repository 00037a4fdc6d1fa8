//! What one client is still to be sent: its subscriptions, and whose turn it is.
//!
//! Nothing is kept per message, and no rows: a subscription is a position in its view, also while
//! its snapshot is sent. All that a session holds for a client that does not read is one message of
//! 64 KiB and the buffers it is written from, or a longer row, of which the [`Room`](super::room)
//! bounds how many there are.

use super::bell::Bell;
use super::hub::{Hub, Subscription, View};
use super::protocol::{Encoder, Position, Refusal};
use super::table::{Changes, Chunk, MessageSize};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Rows of one message at most.
const MESSAGE_ROWS: usize = 4_096;

/// What is to be sent next.
#[derive(Debug)]
pub(super) enum Next {
    Message(String),
    /// A row that needs a message of so many bytes.
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
    /// Whether a subscription was left with more to be sent: then another round follows this one.
    has_more: bool,
    /// Whose snapshot is complete with the message before, and where.
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
            has_more: false,
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

    /// The next message of the round, of rows that are so long at most. A subscription has one turn in
    /// a round, so that one whose rows change faster than they are sent leaves the others theirs.
    pub(super) fn next_message(&mut self, bytes: usize) -> Next {
        let size = MessageSize { rows: MESSAGE_ROWS, bytes };
        loop {
            if let Some((id, at)) = self.complete.take() {
                let end = Chunk { at, rows: Vec::new(), first: false, last: true };
                return Next::Message(self.rows(id, &end));
            }
            let Some(id) = self.turns.pop_front() else {
                if std::mem::take(&mut self.has_more) {
                    self.begin_round();
                    continue;
                }
                return Next::Over;
            };
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let begin = || stream.view.subscribe(self.bell.clone());
            match stream.subscription.get_or_insert_with(begin).changes(size) {
                Changes::TooLong(bytes) => {
                    self.turns.push_front(id);
                    return Next::TooLong(bytes);
                }
                Changes::Lost => {
                    self.has_more = true;
                    let reason = "too far behind; a snapshot follows";
                    return Next::Message(self.encoder.reset(id, reason));
                }
                Changes::Rows(chunk) => {
                    self.has_more |= !chunk.last;
                    return Next::Message(self.rows(id, &chunk));
                }
                Changes::Delta(delta) => {
                    self.has_more |= !delta.last;
                    if delta.ends_snapshot {
                        self.complete = Some((id, delta.at));
                    }
                    if !(delta.upsert.is_empty() && delta.remove.is_empty()) {
                        return Next::Message(self.encoder.delta(id, &delta));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A view whose rows change faster than they are sent leaves the others their turns.
    #[test]
    fn a_subscription_that_never_comes_to_an_end_keeps_no_other_waiting() {
        let hub = Hub::new(7);
        let (busy, quiet) = (hub.view("busy"), hub.view("quiet"));
        let mut outbox = Outbox::new(hub, 8);
        outbox.subscribe(1, "busy").unwrap();
        outbox.subscribe(2, "quiet").unwrap();
        outbox.begin_round();
        let soon = |outbox: &mut Outbox, wanted: &str| {
            (0..10).any(|_| {
                (0..100).for_each(|key| busy.upsert(&key.to_string(), "1"));
                matches!(outbox.next_message(64), Next::Message(text) if text.contains(wanted))
            })
        };
        assert!(soon(&mut outbox, r#""id":1"#) && soon(&mut outbox, r#""id":2"#));
        quiet.upsert("news", "1");
        assert!(soon(&mut outbox, "news"));
        outbox.subscribe(3, "quiet").unwrap();
        assert!(soon(&mut outbox, r#""id":3"#));
    }
}
