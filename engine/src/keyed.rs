//! Runs a keyed operator as a stage: opens batches, looks entries up ahead, fires timers in slices.

use crate::dataflow::{Context, Moment, Payload, Port, Progress, Stage};
use crate::error::Result;
use crate::event::{Data, Event};
use crate::key::Key;
use crate::metrics::OperatorCounters;
use crate::operator::{Due, Operator, Scope};
use crate::state::{Entries, Entry, Table};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// An event with its key and the key's hash, as it crosses an exchange.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Routed<K, T> {
    /// Hash of the key.
    pub hash: u64,
    /// The key.
    pub key: K,
    /// The event.
    pub event: Event<T>,
}

/// How many timers fire before other work gets a turn.
const TIMERS_PER_SLICE: usize = 4096;
/// How many emitted events go out together.
const EMIT_BATCH: usize = 1024;

/// A keyed operator with its state and outputs.
pub(crate) struct KeyedStage<K: Key, T: Data, P: Operator<K, T>> {
    operator: P,
    table: Table<P::Address, P::State>,
    out: Vec<Event<P::Output>>,
    late: Vec<Event<T>>,
    port: Port<P::Output>,
    late_port: Port<T>,
    moment: Moment,
    /// The watermark the operator was told of last.
    told: Timestamp,
    counters: Arc<OperatorCounters>,
    /// Hashes of the batch at hand; kept for its memory.
    hashes: Vec<u64>,
    _key: std::marker::PhantomData<K>,
}

macro_rules! scope {
    ($self:ident, $hash:expr) => {
        Scope {
            key_hash: $hash,
            watermark: $self.moment.watermark,
            now: $self.moment.now,
            table: &mut $self.table,
            out: &mut $self.out,
            late: &mut $self.late,
        }
    };
}

impl<K: Key, T: Data, P: Operator<K, T>> KeyedStage<K, T, P> {
    pub(crate) fn new(
        operator: P,
        port: Port<P::Output>,
        late_port: Port<T>,
        counters: Arc<OperatorCounters>,
    ) -> Self {
        let moment = Moment { watermark: Timestamp::MIN, now: Timestamp::MIN };
        Self {
            operator,
            table: Table::default(),
            out: Vec::new(),
            late: Vec::new(),
            port,
            late_port,
            moment,
            told: Timestamp::MIN,
            counters,
            hashes: Vec::new(),
            _key: std::marker::PhantomData,
        }
    }

    fn flush(&mut self, context: &mut Context) -> Result<()> {
        if !self.out.is_empty() {
            self.counters.emitted.fetch_add(self.out.len() as u64, Relaxed);
            self.port.push(context, std::mem::take(&mut self.out))?;
        }
        if !self.late.is_empty() {
            self.counters.late.fetch_add(self.late.len() as u64, Relaxed);
            self.late_port.push(context, std::mem::take(&mut self.late))?;
        }
        Ok(())
    }

    fn next_due(&mut self, to: Moment) -> Result<Option<(u32, Due)>> {
        if let Some((slot, at)) = self.table.pop_event_timer(to.watermark)? {
            return Ok(Some((slot, Due::Event(at))));
        }
        Ok(self.table.pop_clock_timer(to.now)?.map(|(slot, at)| (slot, Due::Clock(at))))
    }
}

impl<K: Key, T: Data, P: Operator<K, T>> Stage for KeyedStage<K, T, P> {
    fn receive(&mut self, context: &mut Context, payload: Payload, now: Timestamp) -> Result<()> {
        self.moment.now = now;
        let events: Vec<Routed<K, T>> = payload.open()?;
        self.counters.received.fetch_add(events.len() as u64, Relaxed);
        let mut hashes = std::mem::take(&mut self.hashes);
        hashes.clear();
        hashes.extend(events.iter().map(|e| self.operator.first_touched(e.hash, &e.event)));
        for (at, routed) in events.into_iter().enumerate() {
            self.table.fetch_ahead(&hashes, at);
            let mut scope = scope!(self, routed.hash);
            self.operator.on_event(routed.key, routed.event, &mut scope)?;
            if self.out.len() >= EMIT_BATCH {
                self.flush(context)?;
            }
        }
        self.hashes = hashes;
        self.flush(context)
    }

    fn advance(&mut self, context: &mut Context, to: Moment) -> Result<Progress> {
        self.moment = to;
        for _ in 0..TIMERS_PER_SLICE {
            let Some((slot, due)) = self.next_due(to)? else {
                if self.told < to.watermark {
                    self.told = to.watermark;
                    self.operator.on_watermark(to.watermark);
                }
                self.flush(context)?;
                return Ok(Progress::Done);
            };
            let mut scope = scope!(self, 0);
            self.operator.on_timer(slot, due, &mut scope)?;
            if self.out.len() >= EMIT_BATCH {
                self.flush(context)?;
            }
        }
        self.flush(context)?;
        Ok(Progress::More)
    }

    fn next_clock_deadline(&self) -> Option<Timestamp> {
        self.table.clock_timers.next_due()
    }

    fn begin_increment(&mut self) -> Result<()> {
        self.counters.keys.store(self.table.len() as u64, Relaxed);
        self.table.begin_increment()
    }

    fn encode_slice(&mut self, limit: usize) -> Result<Option<Entries>> {
        Ok(self.table.encode_slice(limit)?.then(|| self.table.take_increment()))
    }

    fn restore(&mut self, entries: &[Entry<'_>]) -> Result<()> {
        self.table.restore(entries)
    }

    fn refill(&mut self, context: &mut Context) -> Result<()> {
        let mut batch = Vec::new();
        for (_, entry) in self.table.iter() {
            let Some(value) = self.operator.current(&entry.address, &entry.state) else { continue };
            batch.push(Event::of_timer(Timestamp::MIN, value));
            if batch.len() >= EMIT_BATCH {
                self.port.push(context, std::mem::take(&mut batch))?;
            }
        }
        self.port.push(context, batch)
    }
}
