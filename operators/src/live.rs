//! Keeps the live state of every key and puts out its changes.

use crate::keyed::Keyed;
use crate::stream::Stream;
use crate::view::Shown;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use waystream_engine::error::{JobError, Result};
use waystream_engine::event::{Data, Event};
use waystream_engine::key::{Key, PerKey};
use waystream_engine::operator::{Due, Operator, Scope};

/// A change of one key's live state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change<K, S> {
    /// The key is there, with this state.
    Upsert {
        /// The key.
        key: K,
        /// Its state.
        state: S,
    },
    /// The key is gone.
    Remove {
        /// The key.
        key: K,
    },
}

/// How long a key stays without events; set after the operator was attached.
#[derive(Debug, Default)]
pub(crate) struct Expiry(Cell<Option<Duration>>);

impl<K: Key, T: Data> Keyed<K, T> {
    /// Keeps a state per key: `observe` folds each event into it. A [`Change`] comes out whenever
    /// the state differs from before.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use waystream_operators::{Change, EventTime, Flow, TestJob, Timestamp, Unset};
    ///
    /// #[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
    /// struct Courier { stops: u32 }
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("pings", Unset, EventTime::by(|ping: &(u32, u32, i64)| Timestamp(ping.2)))
    ///         .key_by(|ping| ping.0)
    ///         .live("couriers", |courier: &mut Courier, ping| courier.stops = ping.1)
    ///         .sink("app", Unset);
    /// }
    ///
    /// let job = TestJob::new(build).input("pings", [(7u32, 1u32, 0i64), (7, 1, 5), (7, 2, 9)]);
    /// let changes = job.run().unwrap().output::<Change<u32, Courier>>("app");
    /// assert_eq!(changes.len(), 2); // the second ping changed nothing
    /// ```
    pub fn live<S>(self, name: &str, observe: impl Fn(&mut S, T) + 'static) -> Stream<Change<K, S>>
    where
        S: Data + Default + PartialEq,
    {
        self.live_if(name, move |state: &mut S, event| {
            let before = state.clone();
            observe(state, event);
            *state != before
        })
    }

    /// The same for large states, which need not be compared: `observe` itself says whether the
    /// state changed. What it changes without saying so comes out with the key's next change; a
    /// view has it already after a restart.
    ///
    /// ```
    /// use waystream_operators::{Change, EventTime, Flow, TestJob, Timestamp, Unset};
    ///
    /// fn build(flow: &Flow) {
    ///     let event_time = EventTime::by(|fix: &(u32, i64, f64)| Timestamp(fix.1));
    ///     flow.source("fixes", Unset, event_time)
    ///         .key_by(|fix| fix.0)
    ///         .live_if("farthest", |farthest: &mut f64, fix| {
    ///             let farther = fix.2 > *farthest;
    ///             *farthest = farthest.max(fix.2);
    ///             farther
    ///         })
    ///         .sink("app", Unset);
    /// }
    ///
    /// let job = TestJob::new(build).input("fixes", [(7u32, 1i64, 2.5), (7, 2, 2.0), (7, 3, 4.0)]);
    /// let changes = job.output::<Change<u32, f64>>("app");
    /// assert_eq!(changes, [2.5, 4.0].map(|state| Change::Upsert { key: 7, state }));
    /// ```
    pub fn live_if<S>(
        self,
        name: &str,
        observe: impl Fn(&mut S, T) -> bool + 'static,
    ) -> Stream<Change<K, S>>
    where
        S: Data + Default,
    {
        let expiry = Rc::new(Expiry::default());
        let live = Live { observe, expiry: Rc::clone(&expiry), _state: std::marker::PhantomData };
        let mut stream = self.operator(name, live);
        stream.expiry = Some(expiry);
        stream
    }
}

impl<K: ToString, S> Change<K, S> {
    /// What the change means for a view of the states by key: `.view("couriers", Change::shown)`.
    pub fn shown(&self) -> Shown {
        match self {
            Self::Upsert { key, .. } => Shown::Row(key.to_string()),
            Self::Remove { key } => Shown::Gone(key.to_string()),
        }
    }
}

impl<K: Key, S: Data> Stream<Change<K, S>> {
    /// Removes a key that has had no event for this long in event time; its `Remove` comes out
    /// when the watermark has passed its last event by so much. The next event begins with an empty
    /// state. Directly behind `live` only.
    ///
    /// ```
    /// use waystream_operators::{Change, EventTime, Flow, TestJob, Timestamp, Unset, ms};
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("pings", Unset, EventTime::by(|ping: &(u32, i64)| Timestamp(ping.1)))
    ///         .key_by(|ping| ping.0)
    ///         .live("couriers", |pings: &mut u32, _| *pings += 1)
    ///         .expire_after(ms(10))
    ///         .sink("app", Unset);
    /// }
    ///
    /// let job = TestJob::new(build).input("pings", [(7u32, 0i64), (8, 10), (7, 11)]);
    /// let changes = job.output::<Change<u32, u32>>("app");
    /// assert_eq!(changes[2], Change::Remove { key: 7 });
    /// assert_eq!(changes[3], Change::Upsert { key: 7, state: 1 });
    /// ```
    #[must_use]
    pub fn expire_after(self, silence: Duration) -> Self {
        match &self.expiry {
            Some(expiry) => expiry.0.set(Some(silence)),
            None => self.flow().plan().refuse(
                JobError::configuration("expire_after stands where nothing can expire")
                    .hint("put it directly behind live"),
            ),
        }
        self
    }
}

/// A key's state, and whether it is known to whoever follows the changes: `observe` may have
/// changed nothing yet.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept<S> {
    is_told: bool,
    state: S,
}

struct Live<F, S> {
    observe: F,
    expiry: Rc<Expiry>,
    _state: std::marker::PhantomData<fn(S)>,
}

impl<K, T, S, F> Operator<K, T> for Live<F, S>
where
    K: Key,
    T: Data,
    S: Data + Default,
    F: Fn(&mut S, T) -> bool + 'static,
{
    type Address = PerKey<K>;
    type State = Kept<S>;
    type Output = Change<K, S>;

    fn schema(&self) -> String {
        "live v2".to_owned()
    }

    fn on_event(
        &mut self,
        key: K,
        event: Event<T>,
        scope: &mut Scope<'_, PerKey<K>, Kept<S>, Change<K, S>, T>,
    ) -> Result<()> {
        let Event { time, watermark, origin, value } = event;
        let slot = scope.slot_of(key.clone(), Kept::default)?;
        let silence = self.expiry.0.get();
        // Gone by its own partition's watermark, whether or not the news of it has come here.
        let gone = silence.and_then(|_| scope.deadline(slot)).filter(|at| *at <= watermark);
        if let Some(at) = gone {
            scope.emit_at(at, Change::Remove { key: key.clone() });
            scope.wake_at(slot, None)?;
            *scope.state(slot)? = Kept::default();
        }
        let kept = scope.state(slot)?;
        if (self.observe)(&mut kept.state, value) {
            kept.is_told = true;
            let change = Change::Upsert { key, state: kept.state.clone() };
            scope.emit(Event { time, watermark, origin, value: change });
        }
        if let Some(silence) = silence {
            let due = time.after(silence).max(scope.deadline(slot).unwrap_or(time));
            scope.wake_at(slot, Some(due))?;
        }
        Ok(())
    }

    fn current(&self, address: &PerKey<K>, kept: &Kept<S>) -> Option<Change<K, S>> {
        let state = kept.is_told.then(|| kept.state.clone())?;
        Some(Change::Upsert { key: address.0.clone(), state })
    }

    fn on_timer(
        &mut self,
        slot: u32,
        due: Due,
        scope: &mut Scope<'_, PerKey<K>, Kept<S>, Change<K, S>, T>,
    ) -> Result<()> {
        if let (Due::Event(at), Some(entry)) = (due, scope.table.remove(slot)?) {
            scope.emit_at(at, Change::Remove { key: entry.address.0 });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
