//! Fills tumbling and sliding windows: one entry of state per key and window.

use super::assign::Windows;
use super::pane::Pane;
use serde::{Deserialize, Serialize};
use std::iter::repeat_n;
use waystream_engine::error::Result;
use waystream_engine::event::{Data, Event};
use waystream_engine::key::{Key, PerWindow, spread_window};
use waystream_engine::operator::{Due, Operator, Scope};
use waystream_engine::time::Timestamp;

/// Folds the events of each key and window into what `start` makes.
///
/// An event is too late for a window if the window's end and the allowed lateness lie at or before
/// the watermark of the event's own partition; one that is too late for all its windows is handed
/// back, once.
pub(super) struct FixedFill<S, F> {
    pub(super) windows: Windows,
    pub(super) lateness_ms: i64,
    pub(super) start: S,
    pub(super) add: F,
}

impl<S, F> FixedFill<S, F> {
    /// When a window is forgotten.
    fn forget_at(&self, start_ms: i64) -> Timestamp {
        Timestamp(self.windows.window(start_ms).end.0.saturating_add(self.lateness_ms))
    }

    /// Whether an event whose partition stood at this watermark is too late for a window.
    fn too_late(&self, start_ms: i64, watermark: Timestamp) -> bool {
        self.forget_at(start_ms) <= watermark
    }

    fn step_when_due(&self, start_ms: i64, fired: bool) -> Step {
        match (fired, self.lateness_ms) {
            (false, 0) => Step::FireAndForget,
            (false, _) => Step::FireAndKeepUntil(self.forget_at(start_ms)),
            (true, _) => Step::Forget,
        }
    }
}

/// What is to be done with a window whose deadline has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    FireAndForget,
    FireAndKeepUntil(Timestamp),
    Forget,
}

/// The accumulator of one key and window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Filling<A> {
    value: A,
    /// Whether it has yielded a pane, so that another event updates that.
    fired: bool,
}

impl<A: Clone> Filling<A> {
    fn new(value: A) -> Self {
        Self { value, fired: false }
    }

    /// Takes an event, and returns the new value if an earlier one has been emitted.
    fn observe(&mut self, add: impl FnOnce(&mut A)) -> Option<A> {
        add(&mut self.value);
        self.fired.then(|| self.value.clone())
    }
}

type ScopeOf<'a, K, A, T> = Scope<'a, PerWindow<K>, Filling<A>, Pane<K, A>, T>;

impl<S, F> FixedFill<S, F> {
    fn emit<K: Key, A: Data, T>(
        &self,
        key: K,
        start_ms: i64,
        value: A,
        scope: &mut ScopeOf<'_, K, A, T>,
    ) {
        let window = self.windows.window(start_ms);
        scope.emit_at(window.last(), Pane::of(key, window, value));
    }
}

impl<K, T, A, S, F> Operator<K, T> for FixedFill<S, F>
where
    K: Key,
    T: Data,
    A: Data,
    S: Fn() -> A + 'static,
    F: Fn(&mut A, &T) + 'static,
{
    type Address = PerWindow<K>;
    type State = Filling<A>;
    type Output = Pane<K, A>;

    fn schema(&self) -> String {
        format!("window v1 {}", self.windows.describe())
    }

    fn first_touched(&self, key_hash: u64, event: &Event<T>) -> u64 {
        spread_window(key_hash, self.windows.latest_start_ms(event.time))
    }

    fn on_event(
        &mut self,
        key: K,
        event: Event<T>,
        scope: &mut ScopeOf<'_, K, A, T>,
    ) -> Result<()> {
        let mut counted = false;
        let keys = repeat_n(key, self.windows.per_event());
        for (key, start_ms) in keys.zip(self.windows.starts_ms(event.time)) {
            if self.too_late(start_ms, event.watermark) {
                break; // the windows that follow end earlier
            }
            counted = true;
            let new = || Filling::new((self.start)());
            let slot = scope.slot(PerWindow { key, start_ms }, new)?;
            let entry = scope.table.write(slot)?;
            if let Some(value) = entry.state.observe(|value| (self.add)(value, &event.value)) {
                let key = entry.address.key.clone();
                self.emit(key, start_ms, value, scope);
            } else if !entry.state.fired {
                scope.wake_at(slot, Some(self.windows.window(start_ms).end))?;
            }
        }
        if !counted {
            scope.late(event);
        }
        Ok(())
    }

    fn on_timer(&mut self, slot: u32, _due: Due, scope: &mut ScopeOf<'_, K, A, T>) -> Result<()> {
        let Some(entry) = scope.table.get(slot) else { return Ok(()) };
        let start_ms = entry.address.start_ms;
        match self.step_when_due(start_ms, entry.state.fired) {
            Step::FireAndForget => {
                if let Some(entry) = scope.table.remove(slot)? {
                    self.emit(entry.address.key, start_ms, entry.state.value, scope);
                }
            }
            Step::FireAndKeepUntil(forget_at) => {
                let entry = scope.table.write(slot)?;
                entry.state.fired = true;
                let (key, value) = (entry.address.key.clone(), entry.state.value.clone());
                self.emit(key, start_ms, value, scope);
                scope.wake_at(slot, Some(forget_at))?;
            }
            Step::Forget => drop(scope.table.remove(slot)?),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::{FixedWindows, Sliding};
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};
    use waystream_engine::time::ms;

    type Values = Vec<i64>;

    /// The windows of one key without an engine: what the operator does, on a plain map.
    struct Book<F> {
        operator: FixedFill<fn() -> Values, F>,
        open: BTreeMap<i64, (Filling<Values>, Timestamp)>,
        panes: Vec<(i64, Values)>,
        late: Vec<i64>,
    }

    impl<F: Fn(&mut Values, &i64)> Book<F> {
        fn take(&mut self, time: i64, watermark: i64) {
            let (at, watermark) = (Timestamp(time), Timestamp(watermark));
            let mut counted = false;
            for start in self.operator.windows.starts_ms(at) {
                if self.operator.too_late(start, watermark) {
                    continue;
                }
                counted = true;
                let end = self.operator.windows.window(start).end;
                let (filling, _) = self
                    .open
                    .entry(start)
                    .or_insert_with(|| (Filling::new((self.operator.start)()), end));
                let updated = filling.observe(|values| (self.operator.add)(values, &time));
                self.panes.extend(updated.map(|values| (start, values)));
            }
            if !counted {
                self.late.push(time);
            }
        }

        fn advance(&mut self, watermark: i64) {
            while let Some((&start, _)) =
                self.open.iter().find(|(_, (_, deadline))| deadline.0 <= watermark)
            {
                let Some((filling, deadline)) = self.open.get_mut(&start) else { return };
                match self.operator.step_when_due(start, filling.fired) {
                    Step::FireAndKeepUntil(later) => {
                        filling.fired = true;
                        *deadline = later;
                        self.panes.push((start, filling.value.clone()));
                    }
                    Step::FireAndForget => {
                        self.panes.push((start, filling.value.clone()));
                        self.open.remove(&start);
                    }
                    Step::Forget => drop(self.open.remove(&start)),
                }
            }
        }
    }

    fn book(windows: Sliding, lateness: u64) -> Book<impl Fn(&mut Values, &i64)> {
        let add = |values: &mut Values, time: &i64| {
            values.push(*time);
            values.sort_unstable();
        };
        let (windows, lateness_ms) = (windows.windows().unwrap(), lateness as i64);
        let operator =
            FixedFill { windows, lateness_ms, start: Values::new as fn() -> Values, add };
        Book { operator, open: BTreeMap::new(), panes: Vec::new(), late: Vec::new() }
    }

    #[test]
    fn a_late_event_updates_its_window_until_that_is_forgotten() {
        let mut book = book(Sliding::of(ms(10), ms(10)), 5);
        book.take(3, i64::MIN);
        book.advance(9);
        assert_eq!(book.panes, []);
        book.advance(10);
        book.take(4, 14);
        book.advance(14);
        book.take(5, 15);
        book.advance(15);
        assert_eq!(book.panes, [(0, vec![3]), (0, vec![3, 4])]);
        assert_eq!((book.late, book.open.len()), (vec![5], 0));
    }

    proptest! {
        /// The last pane of a window holds every event that was not late, and there is one pane
        /// more than there were updates; with no lateness allowed there is exactly one.
        #[test]
        fn the_last_panes_are_those_of_the_whole_list(
            events in proptest::collection::vec((-100i64..100, 0i64..30), 0..60),
            slide in 1u64..8, times in 1u64..4, lateness in prop_oneof![Just(0u64), 1u64..20],
            behind in 0i64..10,
        ) {
            let size = (slide * times) as i64;
            let windows = Sliding::of(ms(slide * times), ms(slide));
            let mut book = book(windows, lateness);
            let (mut expected, mut late) = (BTreeMap::<i64, Values>::new(), Vec::new());
            let mut watermark = i64::MIN;
            for (drift, jitter) in events {
                let time = drift - jitter;
                // The combined watermark lags behind that of the partition.
                book.advance(watermark.saturating_sub(behind));
                book.take(time, watermark);
                let holding = (-200..200i64).filter(|start| start.rem_euclid(slide as i64) == 0
                    && *start <= time && time < start + size
                    && start + size + lateness as i64 > watermark);
                let mut counted = false;
                holding.for_each(|start| {
                    counted = true;
                    expected.entry(start).or_default().push(time);
                });
                if !counted {
                    late.push(time);
                }
                watermark = watermark.max(time - 10);
            }
            book.advance(i64::MAX);
            expected.values_mut().for_each(|values| values.sort_unstable());
            let last: BTreeMap<_, _> = book.panes.iter().cloned().collect();
            prop_assert_eq!(last, expected);
            prop_assert_eq!(book.late, late);
            prop_assert!(book.open.is_empty());
            let windows: BTreeSet<_> = book.panes.iter().map(|(start, _)| start).collect();
            prop_assert!(lateness > 0 || windows.len() == book.panes.len());
        }
    }
}
