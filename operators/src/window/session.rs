//! Aggregation over sessions: windows that grow while events come and end with a silence.

use super::assign::{Session, WindowError};
use super::pane::{Pane, Window};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;
use waystream_engine::error::Result;
use waystream_engine::event::{Data, Event};
use waystream_engine::key::{Key, PerKey};
use waystream_engine::operator::{Due, Operator, Scope};
use waystream_engine::time::{Timestamp, millis};

/// The sessions of one key that may still change, in order of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sessions<A>(Vec<OpenSession<A>>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct OpenSession<A> {
    first_ms: i64,
    last_ms: i64,
    /// Whether it has yielded a pane as it is.
    fired: bool,
    value: A,
}

/// When sessions end and when they are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    gap_ms: i64,
    lateness_ms: i64,
}

impl Rule {
    /// The watermark at which nothing that is on time can continue a session.
    fn ends_at<A>(self, session: &OpenSession<A>) -> Timestamp {
        Timestamp(session.last_ms.saturating_add(self.gap_ms).saturating_add(1))
    }

    /// The watermark at which nothing that is allowed can continue it.
    fn forget_at<A>(self, session: &OpenSession<A>) -> Timestamp {
        Timestamp(self.ends_at(session).0.saturating_add(self.lateness_ms))
    }

    fn window<A>(self, session: &OpenSession<A>) -> Window {
        let end = Timestamp(session.last_ms.saturating_add(self.gap_ms));
        Window { start: Timestamp(session.first_ms), end }
    }
}

impl<A: Default + Clone> Sessions<A> {
    /// Takes an event, and returns the session it is now in if an earlier state of that session
    /// has been emitted and the session is still over at `watermark`.
    fn observe(
        &mut self,
        time: Timestamp,
        watermark: Timestamp,
        rule: Rule,
        add: impl FnOnce(&mut A),
        merge: impl FnOnce(&mut A, A),
    ) -> Option<(Window, A)> {
        let gap_ms = rule.gap_ms;
        let at = self.0.partition_point(|session| time.0.saturating_sub(session.last_ms) > gap_ms);
        let joins = self.0.get(at).is_some_and(|s| s.first_ms.saturating_sub(time.0) <= gap_ms);
        if !joins {
            let (first_ms, last_ms) = (time.0, time.0);
            let new = OpenSession { first_ms, last_ms, fired: false, value: A::default() };
            self.0.insert(at, new);
        }
        let session = &mut self.0[at];
        session.first_ms = session.first_ms.min(time.0);
        session.last_ms = session.last_ms.max(time.0);
        add(&mut session.value);
        let reach_ms = session.last_ms.saturating_add(gap_ms);
        if self.0.get(at + 1).is_some_and(|next| next.first_ms <= reach_ms) {
            let next = self.0.remove(at + 1);
            let session = &mut self.0[at];
            session.last_ms = next.last_ms;
            session.fired |= next.fired;
            merge(&mut session.value, next.value);
        }
        let session = &mut self.0[at];
        session.fired &= rule.ends_at(session) <= watermark;
        session.fired.then(|| (rule.window(session), session.value.clone()))
    }

    /// Emits the sessions that are over at this watermark, and forgets those that cannot change.
    fn advance(&mut self, watermark: Timestamp, rule: Rule, mut emit: impl FnMut(Window, A)) {
        for session in &mut self.0 {
            if !session.fired && rule.ends_at(session) <= watermark {
                session.fired = true;
                emit(rule.window(session), session.value.clone());
            }
        }
        self.0.retain(|session| rule.forget_at(session) > watermark);
    }

    /// The watermark at which there is something to do.
    fn deadline(&self, rule: Rule) -> Option<Timestamp> {
        let due = |session: &OpenSession<A>| match session.fired {
            true => rule.forget_at(session),
            false => rule.ends_at(session),
        };
        self.0.iter().map(due).min()
    }
}

/// Folds the events of each key and session into an accumulator `A`, which starts as its default.
///
/// Events at most a gap apart are in one session. The window of a session reaches from its first
/// event to a gap after its last; an event exactly at its end would still be in it. A session
/// yields its [`Pane`] when the watermark of all senders has passed its end. It is kept for the
/// allowed lateness; an event that joins a session that has fired yields an updated pane, or, if
/// the session is open again, one when it ends again. If an event joins two sessions, one pane for
/// both follows those of each.
///
/// An event is too late, and handed back, if its time and the allowed lateness lie before the
/// watermark of its *own* partition. So whether it counts depends on the input alone, and what
/// counts never belongs to a session that is already forgotten: one is forgotten only when the
/// watermark has passed its end by more than the allowed lateness, and everything that counts is
/// then more than a gap away from it.
pub struct SessionAggregate<A, F, M> {
    rule: Rule,
    add: F,
    merge: M,
    accumulator: PhantomData<fn() -> A>,
}

impl<A, F, M> fmt::Debug for SessionAggregate<A, F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionAggregate").field("rule", &self.rule).finish_non_exhaustive()
    }
}

impl<A, F, M> SessionAggregate<A, F, M> {
    /// Aggregates over sessions; `add` puts an event into an accumulator, `merge` puts the
    /// accumulator of a later session into that of an earlier one.
    ///
    /// # Errors
    /// If the gap is zero or not a whole number of milliseconds.
    pub fn over(session: Session, add: F, merge: M) -> Result<Self, WindowError> {
        let rule = Rule { gap_ms: session.gap_ms()?, lateness_ms: 0 };
        Ok(Self { rule, add, merge, accumulator: PhantomData })
    }

    /// Keeps sessions for so long after their end, for late events; zero unless said.
    #[must_use]
    pub fn allowed_lateness(mut self, lateness: Duration) -> Self {
        self.rule.lateness_ms = millis(lateness);
        self
    }
}

type ScopeOf<'a, K, A, T> = Scope<'a, PerKey<K>, Sessions<A>, Pane<K, A>, T>;

fn emit<K: Key, A: Data, T>(pane: Pane<K, A>, scope: &mut ScopeOf<'_, K, A, T>) {
    scope.emit_at(pane.window.last(), pane);
}

impl<K, T, A, F, M> Operator<K, T> for SessionAggregate<A, F, M>
where
    K: Key,
    T: Data,
    A: Default + Data,
    F: Fn(&mut A, &Event<T>) + 'static,
    M: Fn(&mut A, A) + 'static,
{
    type Address = PerKey<K>;
    type State = Sessions<A>;
    type Output = Pane<K, A>;

    fn schema(&self) -> String {
        format!("sessions 1, gap of {} ms", self.rule.gap_ms)
    }

    fn on_event(
        &mut self,
        key: K,
        event: Event<T>,
        scope: &mut ScopeOf<'_, K, A, T>,
    ) -> Result<()> {
        if event.is_late(self.rule.lateness_ms) {
            scope.late(event);
            return Ok(());
        }
        let slot = scope.slot_of(key, Sessions::default)?;
        let watermark = scope.watermark;
        let entry = scope.table.write(slot)?;
        let add = |value: &mut A| (self.add)(value, &event);
        let updated = entry.state.observe(event.time, watermark, self.rule, add, &self.merge);
        let deadline = entry.state.deadline(self.rule);
        if let Some((window, value)) = updated {
            let key = entry.address.0.clone();
            emit(Pane { key, window, value }, scope);
        }
        scope.wake_at(slot, deadline)
    }

    fn on_timer(&mut self, slot: u32, _due: Due, scope: &mut ScopeOf<'_, K, A, T>) -> Result<()> {
        let watermark = scope.watermark;
        let entry = scope.table.write(slot)?;
        let mut panes = Vec::new();
        let key = &entry.address.0;
        entry.state.advance(watermark, self.rule, |window, value| {
            panes.push(Pane { key: key.clone(), window, value });
        });
        let deadline = entry.state.deadline(self.rule);
        panes.into_iter().for_each(|pane| emit(pane, scope));
        match deadline {
            Some(_) => scope.wake_at(slot, deadline),
            None => scope.table.remove(slot).map(drop),
        }
    }
}
