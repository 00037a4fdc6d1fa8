//! A job while it is declared: where streams begin.

use crate::geo::ZoneFiles;
use crate::setting::Setting;
use crate::stream::Stream;
use crate::testing::TestBench;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use waystream_engine::error::JobError;
use waystream_engine::event::Data;
use waystream_engine::job::Build;
use waystream_engine::metrics::Metrics;
use waystream_engine::plan::Plan;
use waystream_engine::sketch::{EndKind, Sketch};
use waystream_engine::source::{DeadLetter, EventTime};
use waystream_engine::spec::{Deployment, OpenContext, SinkSpec, SourceSpec, Views};
use waystream_engine::{Port, did_you_mean};

/// The job under construction. A job is a function `fn build(flow: &Flow)`; it runs once on every
/// worker and must declare the same each time.
#[derive(Clone, Debug)]
pub struct Flow {
    plan: Plan,
    deployment: Rc<Deployment>,
    test: Option<Arc<TestBench>>,
    zone_files: ZoneFiles,
    used: Rc<RefCell<Used>>,
}

/// What a job is, found by declaring it.
#[derive(Debug)]
pub struct Outline {
    /// Its plan.
    pub sketch: Sketch,
    /// Names of its sources.
    pub sources: BTreeSet<String>,
    /// Names of its sinks.
    pub sinks: BTreeSet<String>,
    /// Names of its settings.
    pub settings: BTreeSet<String>,
    /// Why it cannot run as it is declared, if it cannot.
    pub refusal: Option<JobError>,
}

/// The names a job has asked the deployment about.
#[derive(Debug, Default)]
struct Used {
    sources: BTreeSet<String>,
    sinks: BTreeSet<String>,
    settings: BTreeSet<String>,
}

impl Flow {
    /// Makes a job function into what the engine runs.
    pub fn builder(deployment: Deployment, build: impl Fn(&Self) + Send + Sync + 'static) -> Build {
        Self::built(move || (deployment.clone(), None), build)
    }

    pub(crate) fn test_builder(
        bench: Arc<TestBench>,
        build: impl Fn(&Self) + Send + Sync + 'static,
    ) -> Build {
        Self::built(move || (bench.deployment(), Some(Arc::clone(&bench))), build)
    }

    fn built(
        around: impl Fn() -> (Deployment, Option<Arc<TestBench>>) + Send + Sync + 'static,
        build: impl Fn(&Self) + Send + Sync + 'static,
    ) -> Build {
        let zone_files = ZoneFiles::default();
        Arc::new(move |plan: &Plan| {
            let (deployment, test) = around();
            Self::declare(plan, deployment, test, zone_files.clone(), &build).refuse_unknown();
        })
    }

    /// Finds out what a job is by declaring it, without opening or running anything.
    pub fn outline(deployment: &Deployment, build: impl Fn(&Self)) -> Outline {
        let plan = Plan::new(0, 1, Metrics::default());
        let flow = Self::declare(&plan, deployment.clone(), None, ZoneFiles::default(), build);
        let Used { sources, sinks, settings } = flow.used.take();
        Outline { sketch: plan.sketch(), sources, sinks, settings, refusal: plan.take_refusal() }
    }

    fn declare(
        plan: &Plan,
        deployment: Deployment,
        test: Option<Arc<TestBench>>,
        zone_files: ZoneFiles,
        build: impl Fn(&Self),
    ) -> Self {
        let (plan, deployment) = (plan.clone(), Rc::new(deployment));
        let flow = Self { plan, deployment, test, zone_files, used: Rc::default() };
        build(&flow);
        flow
    }

    /// Begins a stream with a named source. `spec` is the default that a deployment can replace by
    /// name; `event_time` says where the time of a record is.
    ///
    /// ```
    /// # use waystream_operators::{EventTime, Flow, TestJob, Timestamp, Unset, secs};
    /// fn build(flow: &Flow) {
    ///     let event_time = EventTime::by(|ping: &(u32, i64)| Timestamp(ping.1)).out_of_order(secs(5));
    ///     flow.source("pings", Unset, event_time).sink("out", Unset);
    /// }
    ///
    /// let pings = TestJob::new(build).input("pings", [(7u32, 0i64)]).output::<(u32, i64)>("out");
    /// assert_eq!(pings, [(7, 0)]);
    /// ```
    pub fn source<R: Data + Sync>(
        &self,
        name: &str,
        spec: impl SourceSpec<R>,
        event_time: EventTime<R>,
    ) -> Stream<R> {
        self.used.borrow_mut().sources.insert(name.to_owned());
        let source = match &self.test {
            Some(bench) => bench.source::<R>(name),
            None => spec.open(&self.context(name, self.deployment.sources.get(name))),
        };
        match source {
            Ok(source) => self.stream(self.plan.source(name, source, event_time)),
            Err(error) => {
                self.plan.refuse(error.at(format!("source {name}")));
                self.stream(Port::default())
            }
        }
    }

    /// Whether a source would tell what happens now, as a queue without an end does, or what has been, as
    /// an archive does. Defaults may depend on it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waystream_operators::{EventTime, Flow, TestJob, Timestamp, Unset, secs};
    /// fn build(flow: &Flow) {
    ///     let slack = if flow.is_live::<i64>("pings", &Unset) { secs(5) } else { Duration::ZERO };
    ///     let event_time = EventTime::by(|at: &i64| Timestamp(*at)).out_of_order(slack);
    ///     flow.source("pings", Unset, event_time).sink("out", Unset);
    /// }
    ///
    /// assert_eq!(TestJob::new(build).input("pings", [7i64]).output::<i64>("out"), [7]);
    /// ```
    pub fn is_live<R: Data>(&self, name: &str, spec: &impl SourceSpec<R>) -> bool {
        let url = self.deployment.sources.get(name);
        self.test.is_none() && spec.is_live(&self.context(name, url))
    }

    /// Records that no source of this job could take, with their raw bytes and where they stood.
    /// All sources must be declared before.
    ///
    /// ```
    /// # use waystream_operators::{DeadLetter, EventTime, Flow, Step, TestJob, Timestamp, Unset};
    /// fn build(flow: &Flow) {
    ///     flow.source("pings", Unset, EventTime::by(|at: &i64| Timestamp(*at))).sink("out", Unset);
    ///     flow.dead_letters().sink("dead-letters", Unset);
    /// }
    ///
    /// let pings = [Step::Record(1i64), Step::Broken(b"{".to_vec())];
    /// let letters = TestJob::new(build).input("pings", pings).output::<DeadLetter>("dead-letters");
    /// assert_eq!((letters[0].source.as_str(), letters[0].offset), ("pings", 1));
    /// assert_eq!(letters[0].raw_base64, "ew==");
    /// ```
    pub fn dead_letters(&self) -> Stream<DeadLetter> {
        self.stream(self.plan.dead_letters())
    }

    /// A named setting of the job, or `default` if the deployment does not set it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waystream_operators::{EventTime, Flow, TestJob, Timestamp, Unset, secs};
    /// fn build(flow: &Flow) {
    ///     let pause = flow.setting("pause", secs(60));
    ///     flow.source("pings", Unset, EventTime::by(|at: &i64| Timestamp(*at)))
    ///         .map(move |at| Timestamp(at).after(pause))
    ///         .sink("out", Unset);
    /// }
    ///
    /// let job = TestJob::new(build).set("pause", "5min").input("pings", [0i64]);
    /// assert_eq!(job.output::<Timestamp>("out"), [Timestamp(300_000)]);
    /// ```
    pub fn setting<S: Setting>(&self, name: &str, default: S) -> S {
        self.used.borrow_mut().settings.insert(name.to_owned());
        let Some(text) = self.deployment.settings.get(name) else { return default };
        match S::parse(text) {
            Ok(value) => value,
            Err(error) => {
                let error = JobError::configuration(format!("`{text}`: {error}"));
                self.refuse(error.at(format!("setting {name}")));
                default
            }
        }
    }

    /// Says that the job cannot run as it is declared. The first error is reported.
    pub fn refuse(&self, error: JobError) {
        self.plan.refuse(error);
    }

    /// Refuses names in the deployment that the job does not have.
    fn refuse_unknown(&self) {
        let used = self.used.borrow();
        let sources = self.deployment.sources.keys().map(|name| ("source", name, &used.sources));
        let sinks = self.deployment.sinks.keys().map(|name| ("sink", name, &used.sinks));
        let settings =
            self.deployment.settings.keys().map(|name| ("setting", name, &used.settings));
        for (kind, name, known) in sources.chain(sinks).chain(settings) {
            if known.contains(name) {
                continue;
            }
            let hint = did_you_mean(name, known.iter().map(String::as_str));
            self.refuse(
                JobError::configuration(format!("the job has no {kind} `{name}`")).hint(hint),
            );
        }
    }

    pub(crate) fn zone_files(&self) -> &ZoneFiles {
        &self.zone_files
    }

    pub(crate) fn views(&self) -> Option<Arc<dyn Views>> {
        self.deployment.views.clone()
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn sink<T: Data>(&self, name: &str, port: &Port<T>, spec: impl SinkSpec<T>) {
        self.used.borrow_mut().sinks.insert(name.to_owned());
        if let Some(bench) = &self.test {
            self.plan.sink(name, port, bench.sink::<T>(name));
            return;
        }
        match spec.open(&self.context(name, self.deployment.sinks.get(name))) {
            Ok(Some(sink)) => self.plan.sink(name, port, sink),
            Ok(None) => self.plan.end(EndKind::UnwrittenSink, name, port),
            Err(error) => self.plan.refuse(error.at(format!("sink {name}"))),
        }
    }

    fn stream<T: Data>(&self, port: Port<T>) -> Stream<T> {
        Stream::new(self.clone(), port)
    }

    fn context(&self, name: &str, url: Option<&String>) -> OpenContext {
        let Deployment { disk, history, .. } = &*self.deployment;
        let (disk, history) = (Arc::clone(disk), history.clone());
        OpenContext { name: name.to_owned(), url: url.cloned(), disk, history }
    }
}
