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
    pub fn map<U: Data>(self, f: impl Fn(T) -> U + 'static) -> Stream<U> {
        self.each(move |event, out| {
            let Event { time, watermark, origin, value } = event;
            out.push(Event { time, watermark, origin, value: f(value) });
        })
    }

    /// Keeps the records for which `keep` is true.
    #[must_use]
    pub fn filter(self, keep: impl Fn(&T) -> bool + 'static) -> Self {
        self.each(move |event, out| {
            if keep(&event.value) {
                out.push(event);
            }
        })
    }

    /// Turns every record into another or drops it.
    pub fn filter_map<U: Data>(self, f: impl Fn(T) -> Option<U> + 'static) -> Stream<U> {
        self.flat_map(f)
    }

    /// Turns every record into any number of others, of the same event time.
    pub fn flat_map<U: Data, I: IntoIterator<Item = U>>(
        self,
        f: impl Fn(T) -> I + 'static,
    ) -> Stream<U> {
        self.each(move |event, out| {
            let Event { time, watermark, origin, value } = event;
            out.extend(f(value).into_iter().map(|value| Event { time, watermark, origin, value }));
        })
    }

    /// Looks at every record without changing it.
    #[must_use]
    pub fn inspect(self, look: impl Fn(&Event<T>) + 'static) -> Self {
        self.each(move |event, out| {
            look(&event);
            out.push(event);
        })
    }

    /// Joins another stream of the same type to this one. The watermark is the lesser of both.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "a stream that is merged is used up")]
    pub fn merge(self, other: Self) -> Self {
        let merged = Port::new(Vec::new());
        self.port.forward_to(&merged);
        other.port.forward_to(&merged);
        Self::new(self.flow, merged)
    }

    /// Splits the stream in two: records for which `first` is true, and the others.
    #[must_use]
    pub fn split(self, first: impl Fn(&T) -> bool + 'static) -> (Self, Self) {
        let rest = Port::new(self.port.origins());
        let other = rest.clone();
        let kept = Port::new(self.port.origins());
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
    pub fn key_by<K: Key>(self, key: impl Fn(&T) -> K + 'static) -> Keyed<K, T> {
        Keyed::new(self.flow, self.port, Rc::new(key), Routing::Exchange)
    }

    /// Ends the stream in a named sink. `spec` is the default that a deployment can replace by name.
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
        let port = Port::new(self.port.origins());
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
