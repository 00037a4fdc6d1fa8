//! Fills sessions: windows that grow while events come and end with a silence.

use super::assign::{Session, WindowError};
use super::pane::{Pane, Window};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use waystream_engine::error::Result;
use waystream_engine::event::{Data, Event};
use waystream_engine::key::{Key, PerKey};
use waystream_engine::operator::{Due, Operator, Scope};
use waystream_engine::time::{Timestamp, millis};

/// The sessions of one key that may still change, in order of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sessions<A>(Vec<OpenSession<A>>);

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

impl<A> Default for Sessions<A> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<A: Clone> Sessions<A> {
    /// Takes an event, and returns the session it is now in if an earlier state of that session
    /// has been emitted and the session is still over at `watermark`.
    fn observe(
        &mut self,
        time: Timestamp,
        watermark: Timestamp,
        rule: Rule,
        start: impl FnOnce() -> A,
        add: impl FnOnce(&mut A),
        merge: impl FnOnce(&mut A, A),
    ) -> Option<(Window, A)> {
        let gap_ms = rule.gap_ms;
        let at = self.0.partition_point(|session| time.0.saturating_sub(session.last_ms) > gap_ms);
        let joins = self.0.get(at).is_some_and(|s| s.first_ms.saturating_sub(time.0) <= gap_ms);
        if !joins {
            let (first_ms, last_ms) = (time.0, time.0);
            let new = OpenSession { first_ms, last_ms, fired: false, value: start() };
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

/// Folds the events of each key and session into what `start` makes.
///
/// An event is too late, and handed back, if its time and the allowed lateness lie before the
/// watermark of its own partition. So whether it counts depends on the input alone, and what
/// counts never belongs to a session that is already forgotten: one is forgotten only when the
/// watermark has passed its end by more than the allowed lateness, and everything that counts is
/// then more than a gap away from it.
pub(super) struct SessionFill<S, F, M> {
    rule: Rule,
    start: S,
    add: F,
    merge: M,
}

impl<S, F, M> SessionFill<S, F, M> {
    /// Fills sessions; `merge` puts the accumulator of a later session into that of an earlier one.
    pub(super) fn new(
        session: Session,
        lateness: Duration,
        start: S,
        add: F,
        merge: M,
    ) -> Result<Self, WindowError> {
        let rule = Rule { gap_ms: session.gap_ms()?, lateness_ms: millis(lateness) };
        Ok(Self { rule, start, add, merge })
    }
}

type ScopeOf<'a, K, A, T> = Scope<'a, PerKey<K>, Sessions<A>, Pane<K, A>, T>;

fn emit<K: Key, A: Data, T>(pane: Pane<K, A>, scope: &mut ScopeOf<'_, K, A, T>) {
    let window = Window { start: pane.start, end: pane.end };
    scope.emit_at(window.last(), pane);
}

impl<K, T, A, S, F, M> Operator<K, T> for SessionFill<S, F, M>
where
    K: Key,
    T: Data,
    A: Data,
    S: Fn() -> A + 'static,
    F: Fn(&mut A, &T) + 'static,
    M: Fn(&mut A, A) + 'static,
{
    type Address = PerKey<K>;
    type State = Sessions<A>;
    type Output = Pane<K, A>;

    fn schema(&self) -> String {
        format!("sessions v1, gap of {} ms", self.rule.gap_ms)
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
        let add = |value: &mut A| (self.add)(value, &event.value);
        let (rule, start, merge) = (self.rule, &self.start, &self.merge);
        let updated = entry.state.observe(event.time, watermark, rule, start, add, merge);
        let deadline = entry.state.deadline(self.rule);
        if let Some((window, value)) = updated {
            let key = entry.address.0.clone();
            emit(Pane::of(key, window, value), scope);
        }
        scope.wake_at(slot, deadline)
    }

    fn on_timer(&mut self, slot: u32, _due: Due, scope: &mut ScopeOf<'_, K, A, T>) -> Result<()> {
        let watermark = scope.watermark;
        let entry = scope.table.write(slot)?;
        let mut panes = Vec::new();
        let key = &entry.address.0;
        entry.state.advance(watermark, self.rule, |window, value| {
            panes.push(Pane::of(key.clone(), window, value));
        });
        let deadline = entry.state.deadline(self.rule);
        panes.into_iter().for_each(|pane| emit(pane, scope));
        match deadline {
            Some(_) => scope.wake_at(slot, deadline),
            None => scope.table.remove(slot).map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use proptest::prelude::*;

    type Values = Vec<i64>;
    type Row = (i64, i64, Values);

    fn take(sessions: &mut Sessions<Values>, rule: Rule, time: i64, watermark: i64) -> Option<Row> {
        let merge = |values: &mut Values, mut later: Values| values.append(&mut later);
        let (time, watermark) = (Timestamp(time), Timestamp(watermark));
        let add = |values: &mut Values| values.push(time.0);
        let updated = sessions.observe(time, watermark, rule, Values::new, add, merge);
        updated.map(row)
    }

    fn advance(sessions: &mut Sessions<Values>, rule: Rule, watermark: i64) -> Vec<Row> {
        let mut rows = Vec::new();
        sessions
            .advance(Timestamp(watermark), rule, |window, value| rows.push(row((window, value))));
        rows
    }

    fn row((window, mut values): (Window, Values)) -> Row {
        values.sort_unstable();
        (window.start.0, window.end.0, values)
    }

    #[test]
    fn events_a_gap_apart_are_together_and_one_between_joins_two() {
        let rule = Rule { gap_ms: 10, lateness_ms: 30 };
        let mut sessions = Sessions::default();
        let mut said = String::new();
        for (time, watermark) in [(0, 0), (10, 0), (21, 0), (50, 30), (41, 30), (12, 30), (60, 61)]
        {
            let fired = advance(&mut sessions, rule, watermark);
            let updated = take(&mut sessions, rule, time, watermark);
            said += &format!("{time} at {watermark}: {fired:?} {updated:?}\n");
        }
        said += &format!("end: {:?}\n", advance(&mut sessions, rule, i64::MAX));
        expect![[r#"
            0 at 0: [] None
            10 at 0: [] None
            21 at 0: [] None
            50 at 30: [(0, 20, [0, 10])] None
            41 at 30: [] None
            12 at 30: [] None
            60 at 61: [(0, 31, [0, 10, 12, 21]), (41, 60, [41, 50])] None
            end: [(41, 70, [41, 50, 60])]
        "#]]
        .assert_eq(&said);
        assert_eq!(sessions, Sessions::default());
    }

    #[test]
    fn a_late_event_updates_a_session_that_is_over() {
        let rule = Rule { gap_ms: 10, lateness_ms: 30 };
        let mut sessions = Sessions::default();
        take(&mut sessions, rule, 0, 0);
        assert_eq!(sessions.deadline(rule), Some(Timestamp(11)));
        assert_eq!(advance(&mut sessions, rule, 30), [(0, 10, vec![0])]);
        assert_eq!(take(&mut sessions, rule, 5, 30), Some((0, 15, vec![0, 5])));
        assert_eq!(sessions.deadline(rule), Some(Timestamp(46)));
        assert_eq!(advance(&mut sessions, rule, 46), []);
        assert_eq!(sessions.deadline(rule), None);
    }

    proptest! {
        /// Sorts all events that are not late and cuts them at the gaps.
        #[test]
        fn the_last_panes_are_those_of_the_whole_list(
            events in proptest::collection::vec((0i64..200, 0i64..40), 0..60),
            gap_ms in 1i64..12, lateness_ms in prop_oneof![Just(0i64), 1i64..20],
            behind in 0i64..10, slack in 0i64..30,
        ) {
            let rule = Rule { gap_ms, lateness_ms };
            let mut sessions = Sessions::default();
            let (mut counted, mut rows, mut watermark) = (Vec::new(), Vec::new(), i64::MIN);
            for (drift, jitter) in events {
                let time = drift - jitter;
                let combined = watermark.saturating_sub(behind);
                rows.extend(advance(&mut sessions, rule, combined));
                if time >= watermark.saturating_sub(lateness_ms) {
                    rows.extend(take(&mut sessions, rule, time, combined));
                    counted.push(time);
                }
                watermark = watermark.max(time.saturating_sub(slack));
            }
            rows.extend(advance(&mut sessions, rule, i64::MAX));
            prop_assert_eq!(sessions.deadline(rule), None);
            counted.sort_unstable();
            let batch: Vec<Row> = counted
                .chunk_by(|a, b| b - a <= gap_ms)
                .map(|piece| (piece[0], piece[piece.len() - 1] + gap_ms, piece.to_vec()))
                .collect();
            for row in &batch {
                prop_assert!(rows.contains(row), "{:?} is not in {:?}", row, rows);
            }
            // Whatever else was emitted is an earlier state of one of them.
            for row in &rows {
                let within = |all: &Row| all.0 <= row.0 && row.1 <= all.1;
                prop_assert!(batch.iter().any(within), "{:?} is in none of {:?}", row, batch);
            }
            prop_assert!(lateness_ms > 0 || rows.len() == batch.len());
        }
    }
}
