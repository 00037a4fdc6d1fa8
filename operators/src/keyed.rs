//! A stream whose records have keys: the place where state begins.

use crate::flow::Flow;
use crate::stream::Stream;
use std::fmt;
use std::rc::Rc;
use waystream_engine::Port;
use waystream_engine::event::Data;
use waystream_engine::key::Key;
use waystream_engine::operator::Operator;
use waystream_engine::plan::Routing;
use waystream_engine::spec::SinkSpec;

/// Records of type `T` with keys of type `K`.
#[derive(Clone)]
pub struct Keyed<K, T> {
    pub(crate) flow: Flow,
    port: Port<T>,
    key: Rc<dyn Fn(&T) -> K>,
    routing: Routing,
    late: Option<Port<T>>,
}

impl<K, T> fmt::Debug for Keyed<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").field("port", &self.port).finish_non_exhaustive()
    }
}

impl<K: Key, T: Data> Keyed<K, T> {
    pub(crate) fn new(
        flow: Flow,
        port: Port<T>,
        key: Rc<dyn Fn(&T) -> K>,
        routing: Routing,
    ) -> Self {
        Self { flow, port, key, routing, late: None }
    }

    /// Sends events that the operators behind find too late to a named sink, beside counting them.
    ///
    /// ```
    /// use waystream_operators::{EventTime, Flow, TestJob, Timestamp, Unset};
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("fixes", Unset, EventTime::by(|fix: &(u8, i64)| Timestamp(fix.1)))
    ///         .key_by(|fix| fix.0)
    ///         .late("late", Unset)
    ///         .ordered("in order")
    ///         .stateful("log", |_: &mut (), fix| Some(fix.1))
    ///         .sink("times", Unset);
    /// }
    ///
    /// let outputs = TestJob::new(build).input("fixes", [(1u8, 4i64), (1, 9), (1, 3)]).run().unwrap();
    /// assert_eq!(outputs.output::<i64>("times"), [4, 9]);
    /// assert_eq!(outputs.output::<(u8, i64)>("late"), [(1, 3)]);
    /// ```
    #[must_use]
    pub fn late(self, name: &str, spec: impl SinkSpec<T>) -> Self {
        let late = Port::default();
        self.flow.sink(name, &late, spec);
        Self { late: Some(late), ..self }
    }

    /// Runs an operator of the engine.
    pub(crate) fn operator<P: Operator<K, T>>(self, name: &str, operator: P) -> Stream<P::Output> {
        let (flow, key) = (self.flow, self.key);
        let key = move |value: &T| key(value);
        let outputs = flow.plan().keyed(name, &self.port, key, self.routing, operator);
        if let Some(late) = self.late {
            outputs.late.forward_to(&late);
        }
        Stream::new(flow, outputs.out)
    }

    /// The same keys on what an operator put out on their own workers.
    pub(crate) fn stay_local(self, port: Port<T>) -> Self {
        Self { port, routing: Routing::Local, ..self }
    }
}
