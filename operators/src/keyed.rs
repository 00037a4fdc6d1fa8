//! A stream whose records have keys: the place where state begins.

use crate::flow::Flow;
use crate::stream::Stream;
use std::fmt;
use std::rc::Rc;
use waystream_engine::Port;
use waystream_engine::event::Data;
use waystream_engine::key::Key;
use waystream_engine::operator::Operator;
use waystream_engine::plan::{KeyedOutputs, Routing};

/// Records of type `T` with keys of type `K`.
#[derive(Clone)]
pub struct Keyed<K, T> {
    pub(crate) flow: Flow,
    port: Port<T>,
    key: Rc<dyn Fn(&T) -> K>,
    routing: Routing,
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
        Self { flow, port, key, routing }
    }

    /// Runs an operator of the engine.
    pub(crate) fn operator<P: Operator<K, T>>(self, name: &str, operator: P) -> Stream<P::Output> {
        let flow = self.flow.clone();
        Stream::new(flow, self.attach(name, operator).out)
    }

    /// Attaches an operator and gives both of its outputs.
    pub(crate) fn attach<P: Operator<K, T>>(
        self,
        name: &str,
        operator: P,
    ) -> KeyedOutputs<T, P::Output> {
        let key = self.key;
        self.flow.plan().keyed(name, &self.port, move |value| key(value), self.routing, operator)
    }

    /// The same keys on what an operator put out on their own workers.
    pub(crate) fn stay_local(self, port: Port<T>) -> Self {
        Self { port, routing: Routing::Local, ..self }
    }
}
