//! Puts the events of each key into event-time order before they go on.

use crate::keyed::Keyed;
use waystream_engine::error::Result;
use waystream_engine::event::{Data, Event};
use waystream_engine::key::{Key, PerKey};
use waystream_engine::operator::{Due, Operator, Scope};
use waystream_engine::time::Timestamp;

impl<K: Key, T: Data> Keyed<K, T> {
    /// Holds every event until the watermark has passed it, then lets the events of a key go in
    /// order of event time; events of equal time keep the order of their partition. An event that
    /// is late by its own partition's watermark is counted and goes to the sink of [`Self::late`], if
    /// there is one. Behind it no event is late any more.
    ///
    /// What follows stays on the same worker, so nothing is exchanged again.
    ///
    /// ```
    /// use waystream_operators::{EventTime, Flow, TestJob, Timestamp, Unset, ms};
    ///
    /// fn build(flow: &Flow) {
    ///     let event_time = EventTime::by(|fix: &(u8, i64)| Timestamp(fix.1)).out_of_order(ms(10));
    ///     flow.source("fixes", Unset, event_time)
    ///         .key_by(|fix| fix.0)
    ///         .ordered("in order")
    ///         .stateful("log", |_: &mut (), fix| Some(fix.1))
    ///         .sink("times", Unset);
    /// }
    ///
    /// let job = TestJob::new(build).input("fixes", [(1u8, 5i64), (1, 3), (1, 4)]);
    /// assert_eq!(job.run().unwrap().output::<i64>("times"), [3, 4, 5]);
    /// ```
    #[must_use]
    pub fn ordered(self, name: &str) -> Self {
        let rest = self.clone();
        let ordered = self.operator(name, Ordered);
        rest.stay_local(ordered.port().clone())
    }
}

struct Ordered;

/// Events of one key that wait, newest first.
type Waiting<T> = Vec<Event<T>>;

impl<K: Key, T: Data> Operator<K, T> for Ordered {
    type Address = PerKey<K>;
    type State = Waiting<T>;
    type Output = T;

    fn schema(&self) -> String {
        "ordered v1".to_owned()
    }

    fn on_event(
        &mut self,
        key: K,
        event: Event<T>,
        scope: &mut Scope<'_, PerKey<K>, Waiting<T>, T, T>,
    ) -> Result<()> {
        if event.is_late(0) {
            scope.late(event);
            return Ok(());
        }
        let slot = scope.slot_of(key, Vec::new)?;
        let waiting = scope.state(slot)?;
        let place = (event.time, event.origin);
        let at = waiting.iter().rposition(|other| (other.time, other.origin) > place);
        waiting.insert(at.map_or(0, |at| at + 1), event);
        let first = waiting.last().map(|event| due(event.time));
        scope.wake_at(slot, first)
    }

    fn on_timer(
        &mut self,
        slot: u32,
        _due: Due,
        scope: &mut Scope<'_, PerKey<K>, Waiting<T>, T, T>,
    ) -> Result<()> {
        let watermark = scope.watermark;
        let waiting = scope.state(slot)?;
        let mut ready = Vec::new();
        while waiting.last().is_some_and(|event| due(event.time) <= watermark) {
            ready.extend(waiting.pop());
        }
        let next = waiting.last().map(|event| due(event.time));
        if next.is_none() {
            scope.table.remove(slot)?;
        } else {
            scope.wake_at(slot, next)?;
        }
        for event in ready {
            // Whoever comes behind may take it that nothing earlier of this key follows.
            scope.emit(Event { watermark: event.time, ..event });
        }
        Ok(())
    }
}

/// Events of the watermark's own time may still come, so an event waits for a later one.
fn due(time: Timestamp) -> Timestamp {
    Timestamp(time.0.saturating_add(1))
}

#[cfg(test)]
mod tests;
