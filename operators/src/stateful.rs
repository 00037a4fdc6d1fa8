//! Folds events into a state per key and puts out whatever the fold returns.

use crate::keyed::Keyed;
use crate::stream::Stream;
use waystream_engine::error::Result;
use waystream_engine::event::{Data, Event};
use waystream_engine::key::{Key, PerKey};
use waystream_engine::operator::{Operator, Scope};
use waystream_engine::state::State;

impl<K: Key, T: Data> Keyed<K, T> {
    /// Keeps a state per key; `step` takes an event, changes the state, and returns any number of
    /// records (an `Option`, a `Vec`, an array) that go on with the event's time.
    ///
    /// ```
    /// use waystream_operators::{EventTime, Flow, TestJob, Timestamp, Unset};
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("goals", Unset, EventTime::by(|goal: &(String, i64)| Timestamp(goal.1)))
    ///         .key_by(|goal| goal.0.clone())
    ///         .stateful("score", |score: &mut u32, goal| {
    ///             *score += 1;
    ///             Some((goal.0, *score))
    ///         })
    ///         .sink("scores", Unset);
    /// }
    ///
    /// let job = TestJob::new(build).input("goals", [("red".to_owned(), 1i64), ("red".to_owned(), 2)]);
    /// let scores = job.run().unwrap().output::<(String, u32)>("scores");
    /// assert_eq!(scores, [("red".to_owned(), 1), ("red".to_owned(), 2)]);
    /// ```
    pub fn stateful<S, O, I>(self, name: &str, step: impl Fn(&mut S, T) -> I + 'static) -> Stream<O>
    where
        S: State + Default,
        O: Data,
        I: IntoIterator<Item = O> + 'static,
    {
        self.operator(name, Stateful { step, _types: std::marker::PhantomData })
    }
}

struct Stateful<F, S, I> {
    step: F,
    _types: std::marker::PhantomData<fn(S) -> I>,
}

impl<K, T, S, O, I, F> Operator<K, T> for Stateful<F, S, I>
where
    K: Key,
    T: Data,
    S: State + Default,
    O: Data,
    I: IntoIterator<Item = O> + 'static,
    F: Fn(&mut S, T) -> I + 'static,
{
    type Address = PerKey<K>;
    type State = S;
    type Output = O;

    fn schema(&self) -> String {
        "stateful v1".to_owned()
    }

    fn on_event(
        &mut self,
        key: K,
        event: Event<T>,
        scope: &mut Scope<'_, PerKey<K>, S, O, T>,
    ) -> Result<()> {
        let Event { time, watermark, origin, value } = event;
        let slot = scope.slot_of(key, S::default)?;
        for value in (self.step)(scope.state(slot)?, value) {
            scope.emit(Event { time, watermark, origin, value });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
