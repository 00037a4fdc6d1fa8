//! Aggregation over tumbling and sliding windows.

use super::assign::{WindowError, Windows};
use super::pane::Pane;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::repeat_n;
use std::marker::PhantomData;
use std::time::Duration;
use waystream_engine::error::Result;
use waystream_engine::event::{Data, Event};
use waystream_engine::key::{Key, PerWindow, spread_window};
use waystream_engine::operator::{Due, Operator, Scope};
use waystream_engine::time::{Timestamp, millis};

/// Folds the events of each key and window into an accumulator `A`, which starts as its default.
///
/// A window yields its [`Pane`] when the watermark of all senders reaches its end. It is kept for
/// the allowed lateness, and yields an updated pane for each event that still comes. An event is
/// too late for a window if the window's end and the allowed lateness lie at or before the
/// watermark of the event's *own* partition, which depends on the input alone; an event that is too
/// late for all its windows is handed back as late, once. Panes bear the event time of their
/// window's last millisecond. A window without events yields nothing.
///
/// State is one entry per key and window, so an event costs one entry for each window it is in.
pub struct Aggregate<A, F> {
    windows: Windows,
    lateness_ms: i64,
    add: F,
    accumulator: PhantomData<fn() -> A>,
}

impl<A, F> fmt::Debug for Aggregate<A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { windows, lateness_ms, .. } = self;
        f.debug_struct("Aggregate")
            .field("windows", windows)
            .field("lateness_ms", lateness_ms)
            .finish_non_exhaustive()
    }
}

impl<A, F> Aggregate<A, F> {
    /// Aggregates over [`Tumbling`](super::Tumbling) or [`Sliding`](super::Sliding) windows; `add`
    /// puts an event into an accumulator.
    ///
    /// # Errors
    /// If there can be no such windows.
    pub fn over<W>(windows: W, add: F) -> Result<Self, WindowError>
    where
        W: TryInto<Windows, Error = WindowError>,
    {
        let windows = windows.try_into()?;
        Ok(Self { windows, lateness_ms: 0, add, accumulator: PhantomData })
    }

    /// Keeps windows for so long after their end, for late events; zero unless said.
    #[must_use]
    pub fn allowed_lateness(self, lateness: Duration) -> Self {
        Self { lateness_ms: millis(lateness), ..self }
    }

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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Filling<A> {
    value: A,
    /// Whether it has yielded a pane, so that another event updates that.
    fired: bool,
}

impl<A: Clone> Filling<A> {
    /// Takes an event, and returns the new value if an earlier one has been emitted.
    fn observe(&mut self, add: impl FnOnce(&mut A)) -> Option<A> {
        add(&mut self.value);
        self.fired.then(|| self.value.clone())
    }
}

type ScopeOf<'a, K, A, T> = Scope<'a, PerWindow<K>, Filling<A>, Pane<K, A>, T>;

impl<A: Data, F> Aggregate<A, F> {
    fn emit<K: Key, T>(&self, key: K, start_ms: i64, value: A, scope: &mut ScopeOf<'_, K, A, T>) {
        let window = self.windows.window(start_ms);
        scope.emit_at(window.last(), Pane { key, window, value });
    }
}

impl<K, T, A, F> Operator<K, T> for Aggregate<A, F>
where
    K: Key,
    T: Data,
    A: Default + Data,
    F: Fn(&mut A, &Event<T>) + 'static,
{
    type Address = PerWindow<K>;
    type State = Filling<A>;
    type Output = Pane<K, A>;

    fn schema(&self) -> String {
        format!("aggregate 1, windows of {}", self.windows.describe())
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
            let slot = scope.slot(PerWindow { key, start_ms }, Filling::default)?;
            let entry = scope.table.write(slot)?;
            if let Some(value) = entry.state.observe(|value| (self.add)(value, &event)) {
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
