//! A stream of records, and what can be done to each record alone.

use crate::flow::Flow;
use crate::keyed::Keyed;
use crate::live::Expiry;
use std::fmt;
use std::rc::Rc;
use waystream_engine::Port;
use waystream_engine::event::{Data, Event};
use waystream_engine::key::Key;
use waystream_engine::plan::Routing;
use waystream_engine::spec::SinkSpec;

/// Records of type `T` with their event times. Cloning it lets two parts of a job read the same
/// records.
#[derive(Clone)]
pub struct Stream<T> {
    flow: Flow,
    port: Port<T>,
    pub(crate) expiry: Option<Rc<Expiry>>,
}

impl<T> fmt::Debug for Stream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("port", &self.port).finish_non_exhaustive()
    }
}

impl<T: Data> Stream<T> {
    pub(crate) fn new(flow: Flow, port: Port<T>) -> Self {
        Self { flow, port, expiry: None }
    }

    /// Turns every record into another.
    ///
    /// ```
    /// # use waystream_operators::{EventTime, Flow, TestJob, Timestamp, Unset};
    /// fn build(flow: &Flow) {
    ///     flow.source("numbers", Unset, EventTime::by(|number: &i64| Timestamp(*number)))
    ///         .map(|number| format!("{number} m"))
    ///         .sink("out", Unset);
    /// }
    ///
    /// let job = TestJob::new(build).input("numbers", [1i64, 2]);
    /// assert_eq!(job.output::<String>("out"), ["1 m", "2 m"]);
    /// ```
    pub fn map<U: Data>(self, f: impl Fn(T) -> U + 'static) -> Stream<U> {
        self.each(move |event, out| {
            let Event { time, watermark, origin, value } = event;
            out.push(Event { time, watermark, origin, value: f(value) });
        })
    }

    /// Keeps the records for which `keep` is true.
    ///
    /// ```
    /// # use waystream_operators::{EventTime, Flow, TestJob, Timestamp, Unset};
    /// fn build(flow: &Flow) {
    ///     flow.source("numbers", Unset, EventTime::by(|number: &i64| Timestamp(*number)))
    ///         .filter(|number| number % 2 == 0)
    ///         .sink("out", Unset);
    /// }
    ///
    /// let job = TestJob::new(build).input("numbers", [1i64, 2, 3, 4]);
    /// assert_eq!(job.output::<i64>("out"), [2, 4]);
    /// ```
    #[must_use]
    pub fn filter(self, keep: impl Fn(&T) -> bool + 'static) -> Self {
        self.each(move |event, out| {
            if keep(&event.value) {
                out.push(event);
            }
        })
    }

    /// Turns every record into another or drops it.
    ///
    /// ```
    /// # use waystream_operators::{EventTime, Flow, TestJob, Timestamp, Unset};
    /// fn build(flow: &Flow) {
    ///     flow.source("numbers", Unset, EventTime::by(|number: &i64| Timestamp(*number)))
    ///         .filter_map(|number| u8::try_from(number).ok())
    ///         .sink("out", Unset);
    /// }
    ///
    /// let job = TestJob::new(build).input("numbers", [7i64, 700]);
    /// assert_eq!(job.output::<u8>("out"), [7]);
    /// ```
    pub fn filter_map<U: Data>(self, f: impl Fn(T) -> Option<U> + 'static) -> Stream<U> {
        self.flat_map(f)
    }

    /// Turns every record into any number of others, of the same event time.
    ///
    /// ```
    /// # use waystream_operators::{EventTime, Flow, TestJob, Timestamp, Unset};
    /// fn build(flow: &Flow) {
    ///     flow.source("numbers", Unset, EventTime::by(|number: &i64| Timestamp(*number)))
    ///         .flat_map(|number| [number, -number])
    ///         .sink("out", Unset);
    /// }
    ///
    /// let job = TestJob::new(build).input("numbers", [1i64, 2]);
    /// assert_eq!(job.output::<i64>("out"), [1, -1, 2, -2]);
    /// ```
    pub fn flat_map<U: Data, I: IntoIterator<Item = U>>(
        self,
        f: impl Fn(T) -> I + 'static,
    ) -> Stream<U> {
        self.each(move |event, out| {
            let Event { time, watermark, origin, value } = event;
            out.extend(f(value).into_iter().map(|value| Event { time, watermark, origin, value }));
        })
    }

    /// Looks at every record, with its event time, without changing it. For what is not part of
    /// the answer, such as a log: after a crash the same records are looked at again.
    ///
    /// ```
    /// # use waystream_operators::{EventTime, Flow, TestJob, Timestamp, Unset};
    /// fn build(flow: &Flow) {
    ///     flow.source("numbers", Unset, EventTime::by(|number: &i64| Timestamp(*number)))
    ///         .inspect(|event| assert_eq!(event.time.0, event.value))
    ///         .sink("out", Unset);
    /// }
    ///
    /// let job = TestJob::new(build).input("numbers", [1i64, 2]);
    /// assert_eq!(job.output::<i64>("out"), [1, 2]);
    /// ```
    #[must_use]
    pub fn inspect(self, look: impl Fn(&Event<T>) + 'static) -> Self {
        let port = self.port.derived();
        let out = port.clone();
        self.port.attach(move |context, batch| {
            if !context.is_refill() {
                batch.iter().for_each(&look);
            }
            out.push(context, batch)
        });
        Self::new(self.flow, port)
    }

    /// Joins another stream of the same type to this one. The watermark is the lesser of both, so a
    /// quiet stream holds the other back unless its [`EventTime`](crate::EventTime) says when it is
    /// idle.
    ///
    /// ```
    /// # use waystream_operators::{EventTime, Flow, TestJob, Timestamp, Unset};
    /// fn build(flow: &Flow) {
    ///     let number = || EventTime::by(|number: &i64| Timestamp(*number));
    ///     let harbour = flow.source("harbour", Unset, number());
    ///     let river = flow.source("river", Unset, number());
    ///     harbour.merge(river).sink("out", Unset);
    /// }
    ///
    /// let job = TestJob::new(build).input("harbour", [1i64, 3]).input("river", [2i64]);
    /// let mut all: Vec<i64> = job.output("out");
    /// all.sort();
    /// assert_eq!(all, [1, 2, 3]);
    /// ```
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "a stream that is merged is used up")]
    pub fn merge(self, other: Self) -> Self {
        let merged = Port::default();
        self.port.forward_to(&merged);
        other.port.forward_to(&merged);
        Self::new(self.flow, merged)
    }

    /// Splits the stream in two: records for which `first` is true, and the others.
    ///
    /// ```
    /// # use waystream_operators::{EventTime, Flow, TestJob, Timestamp, Unset};
    /// fn build(flow: &Flow) {
    ///     let numbers = flow.source("numbers", Unset, EventTime::by(|n: &i64| Timestamp(*n)));
    ///     let (small, large) = numbers.split(|number| *number < 100);
    ///     small.sink("small", Unset);
    ///     large.sink("large", Unset);
    /// }
    ///
    /// let outputs = TestJob::new(build).input("numbers", [7i64, 700]).run().unwrap();
    /// assert_eq!(outputs.output::<i64>("small"), [7]);
    /// assert_eq!(outputs.output::<i64>("large"), [700]);
    /// ```
    #[must_use]
    pub fn split(self, first: impl Fn(&T) -> bool + 'static) -> (Self, Self) {
        let rest = self.port.derived();
        let other = rest.clone();
        let kept = self.port.derived();
        let out = kept.clone();
        self.port.attach(move |context, batch| {
            let (yes, no) = batch.into_iter().partition(|event| first(&event.value));
            out.push(context, yes)?;
            other.push(context, no)
        });
        (Self::new(self.flow.clone(), kept), Self::new(self.flow, rest))
    }

    /// Gives every record a key. What follows keeps state per key; records of one key meet on one
    /// worker, in the order in which each partition holds them.
    ///
    /// ```
    /// # use waystream_operators::{EventTime, Flow, TestJob, Timestamp, Unset};
    /// fn build(flow: &Flow) {
    ///     flow.source("numbers", Unset, EventTime::by(|number: &i64| Timestamp(*number)))
    ///         .key_by(|number| number % 2)
    ///         .stateful("count", |count: &mut u32, number| {
    ///             *count += 1;
    ///             Some((number, *count))
    ///         })
    ///         .sink("out", Unset);
    /// }
    ///
    /// let job = TestJob::new(build).input("numbers", [1i64, 3, 4]);
    /// assert_eq!(job.output::<(i64, u32)>("out"), [(1, 1), (3, 2), (4, 1)]);
    /// ```
    pub fn key_by<K: Key>(self, key: impl Fn(&T) -> K + 'static) -> Keyed<K, T> {
        Keyed::new(self.flow, self.port, Rc::new(key), Routing::Exchange)
    }

    /// Ends the stream in a named sink. `spec` is the default that a deployment can replace by name,
    /// and a test does: its rows are read with [`TestJob::output`](crate::TestJob::output). Every
    /// row is committed exactly once, with the checkpoint of its epoch.
    ///
    /// ```
    /// # use waystream_operators::{EventTime, Flow, TestJob, Timestamp, Unset};
    /// fn build(flow: &Flow) {
    ///     flow.source("numbers", Unset, EventTime::by(|number: &i64| Timestamp(*number)))
    ///         .map(|number| number * 2)
    ///         .sink("out", Unset);
    /// }
    ///
    /// let job = TestJob::new(build).input("numbers", [1i64, 2]);
    /// assert_eq!(job.output::<i64>("out"), [2, 4]);
    /// ```
    pub fn sink(self, name: &str, spec: impl SinkSpec<T>) {
        self.flow.sink(name, &self.port, spec);
    }

    pub(crate) fn port(&self) -> &Port<T> {
        &self.port
    }

    pub(crate) fn flow(&self) -> &Flow {
        &self.flow
    }

    fn each<U: Data>(self, f: impl Fn(Event<T>, &mut Vec<Event<U>>) + 'static) -> Stream<U> {
        let port = self.port.derived();
        let out = port.clone();
        self.port.attach(move |context, batch| {
            let mut events = Vec::with_capacity(batch.len());
            for event in batch {
                f(event, &mut events);
            }
            out.push(context, events)
        });
        Stream::new(self.flow, port)
    }
}

#[cfg(test)]
mod tests;
