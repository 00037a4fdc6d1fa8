//! A job while it is declared: where streams begin.

use crate::stream::Stream;
use crate::testing::TestBench;
use std::rc::Rc;
use std::sync::Arc;
use waystream_engine::event::Data;
use waystream_engine::job::Build;
use waystream_engine::plan::Plan;
use waystream_engine::source::{DeadLetter, EventTime};
use waystream_engine::spec::{Deployment, OpenContext, SinkSpec, SourceSpec};

/// The job under construction. A job is a function `fn build(flow: &Flow)`; it runs once on every
/// worker and must declare the same each time.
#[derive(Clone, Debug)]
pub struct Flow {
    plan: Plan,
    deployment: Rc<Deployment>,
    test: Option<Arc<TestBench>>,
}

impl Flow {
    /// Makes a job function into what the engine runs.
    pub fn builder(deployment: Deployment, build: impl Fn(&Self) + Send + Sync + 'static) -> Build {
        Arc::new(move |plan: &Plan| {
            let deployment = Rc::new(deployment.clone());
            build(&Self { plan: plan.clone(), deployment, test: None });
        })
    }

    pub(crate) fn test_builder(
        bench: Arc<TestBench>,
        build: impl Fn(&Self) + Send + Sync + 'static,
    ) -> Build {
        Arc::new(move |plan: &Plan| {
            let deployment = Rc::new(Deployment { disk: bench.disk(), ..Deployment::default() });
            build(&Self { plan: plan.clone(), deployment, test: Some(Arc::clone(&bench)) });
        })
    }

    /// Begins a stream with a named source. `spec` is the default that a deployment can replace by
    /// name; `event_time` says where the time of a record is.
    pub fn source<R: Data + Sync>(
        &self,
        name: &str,
        spec: impl SourceSpec<R>,
        event_time: EventTime<R>,
    ) -> Stream<R> {
        let source = match &self.test {
            Some(bench) => bench.source::<R>(name),
            None => spec.open(&self.context(name, self.deployment.sources.get(name))),
        };
        match source {
            Ok(source) => self.stream(self.plan.source(name, source, event_time)),
            Err(error) => {
                self.plan.refuse(error.at(format!("source {name}")));
                self.stream(waystream_engine::Port::new(Vec::new()))
            }
        }
    }

    /// Records that no source of this job could take, with their raw bytes and where they stood.
    pub fn dead_letters(&self) -> Stream<DeadLetter> {
        self.stream(self.plan.dead_letters())
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn sink<T: Data>(
        &self,
        name: &str,
        port: &waystream_engine::Port<T>,
        spec: impl SinkSpec<T>,
    ) {
        if let Some(bench) = &self.test {
            self.plan.sink(name, port, bench.sink::<T>(name));
            return;
        }
        match spec.open(&self.context(name, self.deployment.sinks.get(name))) {
            Ok(Some(sink)) => self.plan.sink(name, port, sink),
            Ok(None) => {}
            Err(error) => self.plan.refuse(error.at(format!("sink {name}"))),
        }
    }

    fn stream<T: Data>(&self, port: waystream_engine::Port<T>) -> Stream<T> {
        Stream::new(self.clone(), port)
    }

    fn context(&self, name: &str, url: Option<&String>) -> OpenContext {
        let disk = Arc::clone(&self.deployment.disk);
        OpenContext { name: name.to_owned(), url: url.cloned(), disk }
    }
}
