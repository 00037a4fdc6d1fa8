//! Process 0 among the others: it tells them what it decides, and hears how they are.

use super::config::Cluster;
use super::control::{Cause, Decision, News, Told, tell, understood};
use super::counts::Counts;
use super::frame::Kind;
use super::wire::Wire;
use crate::error::{ErrorKind, JobError, Result};
use crate::failure::Failure;
use crate::job::{JobConfig, StopSignal};
use crate::metrics::Metrics;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often it is looked whether somebody wants the job to stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a process that was lost, or has failed, is given to say why.
const CAUSE_WITHIN: Duration = Duration::from_secs(2);
/// Looks for which the others are given time to hear the last word.
const CLOSING_LOOKS: u32 = 50;

/// What process 0 knows of the others. Clones share it.
#[derive(Clone)]
pub(super) struct Leader(Arc<State>);

struct State {
    cluster: Arc<Cluster>,
    wires: BTreeMap<usize, Arc<Wire>>,
    failure: Failure,
    /// The job's stop, which all sources see. Only process 0 decides it, so none of them ends for
    /// it before process 0 knows.
    stop: StopSignal,
    metrics: Metrics,
    cause: Cause,
    counted: Mutex<BTreeMap<usize, Counts>>,
    /// Others that have not said that they are done.
    working: AtomicUsize,
    /// Others that are still listened to.
    heard: AtomicUsize,
    /// Others that may still say why the job has failed.
    silent: Mutex<BTreeSet<usize>>,
    is_over: AtomicBool,
}

impl Leader {
    /// Begins to listen to the others, and to whoever asks this process to stop.
    pub(super) fn start(
        cluster: &Arc<Cluster>,
        wires: BTreeMap<usize, Arc<Wire>>,
        config: &JobConfig,
        failure: &Failure,
        wish: StopSignal,
    ) -> Result<Self> {
        let others = wires.len();
        let silent = wires.keys().copied().collect();
        let leader = Self(Arc::new(State {
            cluster: Arc::clone(cluster),
            wires,
            failure: failure.clone(),
            stop: config.stop.clone(),
            metrics: config.metrics.clone(),
            cause: Cause::default(),
            counted: Mutex::default(),
            working: AtomicUsize::new(others),
            heard: AtomicUsize::new(others),
            silent: Mutex::new(silent),
            is_over: AtomicBool::new(false),
        }));
        for (index, wire) in &leader.0.wires {
            let (leader, wire, index) = (leader.clone(), Arc::clone(wire), *index);
            super::run::spawn("hear", move || leader.hear(index, &wire))?;
        }
        let stopping = leader.clone();
        super::run::spawn("stop", move || {
            while !stopping.0.is_over.load(SeqCst) {
                if wish.is_requested() {
                    return stopping.stop_all();
                }
                std::thread::park_timeout(LOOK_EVERY);
            }
        })?;
        Ok(leader)
    }

    fn hear(&self, index: usize, wire: &Arc<Wire>) {
        let mut receiver = wire.receiver();
        let is_over = || self.0.is_over.load(SeqCst);
        loop {
            let next = receiver.message(&is_over);
            match next.and_then(|bytes| bytes.map(|bytes| understood(wire, &bytes)).transpose()) {
                Ok(Some(news)) => self.take(index, news),
                Ok(None) if is_over() => break,
                Ok(None) => {
                    self.0.failure.set(wire.peer.lost("it has ended"));
                    break;
                }
                Err(error) => {
                    self.0.failure.set(error);
                    break;
                }
            }
        }
        self.0.heard.fetch_sub(1, SeqCst);
        self.has_told(index);
    }

    /// A process that says no more about why the job has failed.
    fn has_told(&self, index: usize) {
        let mut silent = self.0.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.remove(&index);
        if silent.is_empty() {
            self.0.cause.close();
        }
    }

    fn take(&self, index: usize, news: News) {
        match news {
            News::StopWanted => self.stop_all(),
            News::Failed(told) => {
                let mut error = told.into_error();
                if error.kind == ErrorKind::Lost {
                    self.0.failure.set(error);
                    return self.has_told(index);
                }
                let at = error.place.map_or_else(String::new, |place| format!(", {place}"));
                error.place = Some(format!("process {index}{at}"));
                self.0.failure.set(Told::of(&error).into_error());
                self.0.cause.tell(error);
                self.has_told(index);
            }
            News::Counted(now) => {
                let mut counted = self.0.counted.lock().unwrap_or_else(PoisonError::into_inner);
                let before = counted.insert(index, now.clone()).unwrap_or_default();
                now.add(&before, &self.0.metrics);
            }
            News::Shown(rows) => {
                if let Some(views) = &self.0.cluster.views {
                    rows.show(&**views);
                }
            }
            News::Done => drop(self.0.working.fetch_sub(1, SeqCst)),
        }
    }

    /// Stops the job everywhere: here first.
    fn stop_all(&self) {
        if !self.0.stop.is_requested() {
            self.0.stop.request();
            self.tell(&Decision::Stop);
        }
    }

    /// Tells all others. Who cannot be told is lost, which its own connection says soon.
    pub(super) fn tell(&self, decision: &Decision) {
        for wire in self.0.wires.values() {
            if let Err(error) = tell(wire, decision) {
                self.0.failure.set(error);
            }
        }
    }

    /// Waits until the others are done and counted, or one of them is lost: then the job is done all
    /// the same, and something is missing in the sums.
    pub(super) fn finish(&self) {
        while self.0.working.load(SeqCst) > 0 && self.0.heard.load(SeqCst) == self.0.wires.len() {
            std::thread::park_timeout(LOOK_EVERY);
        }
        if self.0.working.load(SeqCst) > 0 {
            tracing::warn!("a process was lost when all was done: the summary counts less");
        }
        self.tell(&Decision::Done);
        self.close();
    }

    /// Tells the others why the job has failed; a lost process is given time to say why itself.
    pub(super) fn fail(&self, error: JobError) -> JobError {
        let told = match error.kind {
            ErrorKind::Lost => self.0.cause.take(CAUSE_WITHIN),
            _ => None,
        };
        let error = told.unwrap_or(error);
        self.tell(&Decision::Failed(Told::of(&error)));
        self.close();
        error
    }

    /// Ends all connections, and waits a moment for the others to end theirs: a socket that is closed
    /// with bytes unread takes back what was said last.
    fn close(&self) {
        for wire in self.0.wires.values() {
            wire.end(Kind::End);
        }
        let mut looks = 0;
        while self.0.heard.load(SeqCst) > 0 && looks < CLOSING_LOOKS {
            std::thread::park_timeout(LOOK_EVERY);
            looks += 1;
        }
        self.0.is_over.store(true, SeqCst);
    }
}
