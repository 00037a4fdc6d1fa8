//! Runs an operator of your own: a state per key, and timers on both clocks.

use crate::keyed::Keyed;
use crate::stream::Stream;
use serde::{Deserialize, Serialize};
use std::fmt;
use waystream_engine::error::{JobError, Result};
use waystream_engine::event::{Data, Event};
use waystream_engine::key::{Key, PerKey};
use waystream_engine::operator::{self as engine, Due};
use waystream_engine::state::{Deadline, State};
use waystream_engine::time::Timestamp;

/// An operator of your own for [`Keyed::process`]: what an event and a timer do to the state of
/// their key.
///
/// A timer fires before the next event of its key if it is due by then: by the clock, or by the
/// watermark of that event's own partition. So what comes out of event-time timers follows from the
/// input alone as long as the events of a key come from one partition or are put in order before
/// ([`Keyed::ordered`]).
///
/// A key's state begins as `State::default()` with its first event. State and timers are part of
/// every checkpoint; what the operator itself holds is not, and begins anew on every worker with
/// every start of the job.
pub trait Operator: 'static {
    /// What the stream is keyed by.
    type Key: Key;
    /// What comes in.
    type Record: Data;
    /// What is kept for each key.
    type State: State + Default;
    /// What goes out.
    type Output: Data;

    /// Takes an event of a key.
    fn on_event(
        &mut self,
        state: &mut Self::State,
        event: Event<Self::Record>,
        scope: &mut Scope<'_, Self>,
    );

    /// Takes a timer of a key that has come due. What was set by [`Scope::wake_at`] comes as
    /// [`Due::Event`], what was set by [`Scope::wake_at_clock`] as [`Due::Clock`].
    fn on_timer(&mut self, state: &mut Self::State, due: Due, scope: &mut Scope<'_, Self>) {
        let _ = (state, due, scope);
    }

    /// The watermark has moved and every timer that was due by it has fired. It belongs to no key
    /// and each worker sees other steps of it, so nothing can be put out: it is for what the
    /// operator holds outside of its state, such as a cache.
    fn on_watermark(&mut self, watermark: Timestamp) {
        let _ = watermark;
    }

    /// Name and version of the state, as checkpoints keep it. Another one refuses to go on from
    /// state that was kept before: change it when `State` changes its shape.
    fn schema(&self) -> String {
        "process v1".to_owned()
    }
}

/// Where an operator is called: the key, both clocks, and the ways to put out records and set
/// timers.
pub struct Scope<'a, P: Operator + ?Sized> {
    key: &'a P::Key,
    /// Time and origin of what is put out.
    stamp: Event<()>,
    watermark: Timestamp,
    now: Timestamp,
    wishes: &'a mut Wishes<P::Output, P::Record>,
}

/// What an operator asked for during one call.
struct Wishes<O, T> {
    out: Vec<Event<O>>,
    late: Vec<Event<T>>,
    wake: Option<Deadline>,
    wake_clock: Option<Deadline>,
    remove: bool,
    error: Option<JobError>,
}

impl<P: Operator + ?Sized> Scope<'_, P> {
    /// The key of the event or timer.
    #[must_use]
    pub fn key(&self) -> &P::Key {
        self.key
    }

    /// Processing time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The watermark: no event that is on time comes before it.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// Puts out a record. It has the time of the event at hand; in an event-time timer the time
    /// that has come, in a processing-time timer the time of the key's latest event.
    pub fn emit(&mut self, record: P::Output) {
        self.wishes.out.push(self.stamp.with(record));
    }

    /// Hands back an event that came too late to count; it is counted as late.
    pub fn late(&mut self, event: Event<P::Record>) {
        self.wishes.late.push(event);
    }

    /// Wakes the key when the watermark reaches this time. A key has one such timer: a second call
    /// moves it.
    pub fn wake_at(&mut self, time: Timestamp) {
        self.wishes.wake = Some(Some(time));
    }

    /// Wakes the key when processing time reaches this time, also if the job was down meanwhile. A
    /// key has one such timer: a second call moves it. A job whose input ends does not wait for it.
    pub fn wake_at_clock(&mut self, time: Timestamp) {
        self.wishes.wake_clock = Some(Some(time));
    }

    /// Takes back [`Self::wake_at`].
    pub fn cancel_wake(&mut self) {
        self.wishes.wake = Some(None);
    }

    /// Takes back [`Self::wake_at_clock`].
    pub fn cancel_wake_clock(&mut self) {
        self.wishes.wake_clock = Some(None);
    }

    /// Forgets the key: its state and its timers are gone when the call returns.
    pub fn remove(&mut self) {
        self.wishes.remove = true;
    }

    /// Stops the job with this error; nothing of the open epoch is committed.
    pub fn fail(&mut self, error: JobError) {
        self.wishes.error.get_or_insert(error);
    }
}

impl<P: Operator + ?Sized> fmt::Debug for Scope<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("watermark", &self.watermark)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl<K: Key, T: Data> Keyed<K, T> {
    /// Runs an [`Operator`] of your own.
    ///
    /// ```
    /// use waystream_operators::*;
    ///
    /// /// Says when a courier has been silent for ten milliseconds.
    /// struct Silence;
    ///
    /// impl Operator for Silence {
    ///     type Key = u32;
    ///     type Record = (u32, i64);
    ///     type State = ();
    ///     type Output = String;
    ///
    ///     fn on_event(&mut self, _: &mut (), ping: Event<(u32, i64)>, scope: &mut Scope<Self>) {
    ///         scope.wake_at(ping.time.after(ms(10)));
    ///     }
    ///
    ///     fn on_timer(&mut self, _: &mut (), _: Due, scope: &mut Scope<Self>) {
    ///         scope.emit(format!("{} is silent", scope.key()));
    ///         scope.remove();
    ///     }
    /// }
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("pings", Unset, EventTime::by(|ping: &(u32, i64)| Timestamp(ping.1)))
    ///         .key_by(|ping| ping.0)
    ///         .process("silence", Silence)
    ///         .sink("alarms", Unset);
    /// }
    ///
    /// let job = TestJob::new(build).input("pings", [(7u32, 0i64), (7, 9), (8, 20), (7, 25)]);
    /// let alarms = job.output::<String>("alarms");
    /// assert_eq!(alarms, ["7 is silent", "8 is silent", "7 is silent"]);
    /// ```
    pub fn process<P: Operator<Key = K, Record = T>>(
        self,
        name: &str,
        operator: P,
    ) -> Stream<P::Output> {
        self.operator(name, Process { operator, wishes: Wishes::default() })
    }
}

struct Process<P: Operator> {
    operator: P,
    wishes: Wishes<P::Output, P::Record>,
}

/// What is kept for each key: the operator's state, and the time of the latest event.
#[derive(Serialize, Deserialize)]
struct Kept<S> {
    latest: Timestamp,
    state: S,
}

/// The engine's side of an operator's scope.
type EngineScope<'a, P> = engine::Scope<
    'a,
    PerKey<<P as Operator>::Key>,
    Kept<<P as Operator>::State>,
    <P as Operator>::Output,
    <P as Operator>::Record,
>;

impl<P: Operator> engine::Operator<P::Key, P::Record> for Process<P> {
    type Address = PerKey<P::Key>;
    type State = Kept<P::State>;
    type Output = P::Output;

    fn schema(&self) -> String {
        self.operator.schema()
    }

    fn on_event(
        &mut self,
        key: P::Key,
        event: Event<P::Record>,
        scope: &mut EngineScope<'_, P>,
    ) -> Result<()> {
        let address = PerKey(key);
        if let Some(slot) = scope.table.find(scope.key_hash, &address) {
            self.fire_what_is_due(slot, event.watermark, scope)?;
        }
        let latest = event.time;
        let slot = scope.slot(address, || Kept { latest, state: P::State::default() })?;
        let entry = scope.table.write(slot)?;
        entry.state.latest = entry.state.latest.max(latest);
        let mut here = Scope {
            key: &entry.address.0,
            stamp: event.with(()),
            watermark: scope.watermark,
            now: scope.now,
            wishes: &mut self.wishes,
        };
        self.operator.on_event(&mut entry.state.state, event, &mut here);
        self.wishes.grant(slot, scope)
    }

    fn on_timer(&mut self, slot: u32, due: Due, scope: &mut EngineScope<'_, P>) -> Result<()> {
        let entry = scope.table.write(slot)?;
        let (time, watermark) = match due {
            Due::Event(time) => (time, scope.watermark.max(time)),
            Due::Clock(_) => (entry.state.latest, scope.watermark),
        };
        let mut here = Scope {
            key: &entry.address.0,
            stamp: Event::of_timer(time, ()),
            watermark,
            now: scope.now,
            wishes: &mut self.wishes,
        };
        self.operator.on_timer(&mut entry.state.state, due, &mut here);
        self.wishes.grant(slot, scope)
    }

    fn on_watermark(&mut self, watermark: Timestamp) {
        self.operator.on_watermark(watermark);
    }
}

impl<P: Operator> Process<P> {
    /// A timer that is due by the event's own partition, or by the clock, fires before the event:
    /// what comes out then does not depend on when the news of the watermark arrives.
    fn fire_what_is_due(
        &mut self,
        slot: u32,
        watermark: Timestamp,
        scope: &mut EngineScope<'_, P>,
    ) -> Result<()> {
        if let Some(at) = scope.deadline(slot).filter(|at| *at <= watermark) {
            scope.table.wake_at(slot, None)?;
            engine::Operator::on_timer(self, slot, Due::Event(at), scope)?;
        }
        let clock = scope.table.clock_timers.deadline(slot);
        if let Some(at) = clock.filter(|at| *at <= scope.now) {
            scope.table.wake_at_clock(slot, None)?;
            engine::Operator::on_timer(self, slot, Due::Clock(at), scope)?;
        }
        Ok(())
    }
}

impl<O, T> Default for Wishes<O, T> {
    fn default() -> Self {
        let (out, late) = Default::default();
        Self { out, late, wake: None, wake_clock: None, remove: false, error: None }
    }
}

impl<O: Data, T: Data> Wishes<O, T> {
    /// Does what was asked for, and is empty again.
    fn grant<K: Key, S: State>(
        &mut self,
        slot: u32,
        scope: &mut engine::Scope<'_, PerKey<K>, S, O, T>,
    ) -> Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.out.drain(..).for_each(|event| scope.emit(event));
        self.late.drain(..).for_each(|event| scope.late(event));
        let (wake, wake_clock) = (self.wake.take(), self.wake_clock.take());
        if std::mem::take(&mut self.remove) {
            scope.table.remove(slot)?;
            return Ok(());
        }
        if let Some(deadline) = wake {
            scope.table.wake_at(slot, deadline)?;
        }
        if let Some(deadline) = wake_clock {
            scope.table.wake_at_clock(slot, deadline)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
