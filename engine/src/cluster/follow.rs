//! Any process but the first: it does what process 0 decides, and tells it how it is.

use super::control::{Cause, Decision, News, Told, tell, understood};
use super::counts::Counts;
use super::frame::Kind;
use super::relay::ViewRelay;
use super::wire::Wire;
use crate::checkpoint::Manifest;
use crate::error::{ErrorKind, JobError, Result};
use crate::failure::Failure;
use crate::job::{JobConfig, StopSignal};
use crate::metrics::Metrics;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

/// How often it is looked what process 0 has decided.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Looks between two reports of what was counted.
const LOOKS_PER_COUNT: u32 = 25;
/// How long process 0 is given to say why the job has failed: it waits for others itself.
const CAUSE_WITHIN: Duration = Duration::from_secs(4);

/// What a process knows of process 0. Clones share it.
#[derive(Clone)]
pub(super) struct Follower(Arc<State>);

struct State {
    wire: Arc<Wire>,
    relay: ViewRelay,
    failure: Failure,
    stop: StopSignal,
    metrics: Metrics,
    cause: Cause,
    /// Whether to begin, and with what.
    started: Receiver<Option<Manifest>>,
    is_done: AtomicBool,
    /// Whether nothing more is to be told by itself.
    is_told: AtomicBool,
    is_over: AtomicBool,
}

impl Follower {
    /// Begins to listen to process 0, and to whoever asks this process to stop.
    pub(super) fn start(
        wire: Arc<Wire>,
        relay: ViewRelay,
        config: &JobConfig,
        failure: &Failure,
        wish: StopSignal,
    ) -> Result<Self> {
        // Process 0 decides once how to begin.
        let (start, started) = bounded(1);
        let follower = Self(Arc::new(State {
            wire,
            relay,
            failure: failure.clone(),
            stop: config.stop.clone(),
            metrics: config.metrics.clone(),
            cause: Cause::default(),
            started,
            is_done: AtomicBool::new(false),
            is_told: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        }));
        let hearing = follower.clone();
        super::run::spawn("hear", move || hearing.hear(&start))?;
        let telling = follower.clone();
        super::run::spawn("tell", move || telling.report(&wish))?;
        let showing = follower.clone();
        super::run::spawn("show", move || {
            let send = |rows| tell(&showing.0.wire, &News::Shown(rows));
            showing.0.relay.pass_on(&showing.0.failure, send);
        })?;
        Ok(follower)
    }

    fn hear(&self, start: &Sender<Option<Manifest>>) {
        let wire = &self.0.wire;
        let mut receiver = wire.receiver();
        let is_over = || self.0.is_over.load(SeqCst);
        let heard = loop {
            let next = receiver.message(&is_over);
            let next = next.and_then(|bytes| bytes.map(|b| understood(wire, &b)).transpose());
            let taken = match next {
                Ok(Some(Decision::Start(manifest))) => Manifest::decode(&manifest).map(Some),
                Ok(Some(Decision::Finished)) => Ok(None),
                Ok(Some(other)) => {
                    self.take(other);
                    continue;
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            match taken {
                Ok(manifest) => drop(start.try_send(manifest)),
                Err(error) => break Err(error),
            }
        };
        if !self.0.is_done.load(SeqCst) {
            let gone = || self.0.wire.peer.lost("it has ended");
            self.0.failure.set(heard.err().unwrap_or_else(gone));
        }
        self.0.cause.close();
    }

    fn take(&self, decision: Decision) {
        match decision {
            Decision::Stop => self.0.stop.request(),
            Decision::Failed(told) => {
                let mut error = told.into_error();
                // It may be this process that process 0 has lost.
                if error.kind == ErrorKind::Lost {
                    error.place.get_or_insert_with(|| "process 0".to_owned());
                }
                self.0.failure.set(Told::of(&error).into_error());
                self.0.cause.tell(error);
            }
            Decision::Done => self.0.is_done.store(true, SeqCst),
            Decision::Start(_) | Decision::Finished => {}
        }
    }

    /// Tells now and then what was counted, and once that somebody wants the job to stop.
    fn report(&self, wish: &StopSignal) {
        let (mut looks, mut wished) = (0, false);
        while !self.0.is_told.load(SeqCst) {
            std::thread::park_timeout(LOOK_EVERY);
            looks += 1;
            if wish.is_requested() && !wished {
                wished = true;
                self.tell(&News::StopWanted);
            }
            if looks % LOOKS_PER_COUNT == 0 {
                self.tell(&News::Counted(Counts::of(&self.0.metrics)));
            }
        }
    }

    fn tell(&self, news: &News) {
        if let Err(error) = tell(&self.0.wire, news) {
            self.0.failure.set(error);
        }
    }

    /// Waits until process 0 has said what to begin with; `None` if there is nothing to do.
    pub(super) fn wait_for_start(&self) -> Result<Option<Manifest>> {
        loop {
            if let Ok(manifest) = self.0.started.recv_timeout(LOOK_EVERY) {
                return Ok(manifest);
            }
            if let Some(error) = self.0.failure.copy() {
                return Err(error);
            }
        }
    }

    /// Says that all is done here, and waits until process 0 has counted it. Once all is committed, a
    /// process 0 that is lost is no failure of the job, but nobody has said that it is not.
    pub(super) fn finish(&self) -> Result<()> {
        self.0.relay.flush(&self.0.failure);
        self.0.is_told.store(true, SeqCst);
        self.tell(&News::Counted(Counts::of(&self.0.metrics)));
        self.tell(&News::Done);
        while !self.0.is_done.load(SeqCst) {
            if let Some(error) = self.0.failure.copy() {
                return Err(error);
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
        self.0.wire.end(Kind::End);
        self.0.is_over.store(true, SeqCst);
        Ok(())
    }

    /// Tells process 0 why this one has failed, or learns from it why the job has.
    pub(super) fn fail(&self, error: JobError) -> JobError {
        self.0.is_told.store(true, SeqCst);
        self.tell(&News::Failed(Told::of(&error)));
        let error = match error.kind {
            ErrorKind::Lost => self.0.cause.take(CAUSE_WITHIN).unwrap_or(error),
            _ => error,
        };
        self.0.wire.end(Kind::End);
        self.0.is_over.store(true, SeqCst);
        error
    }
}
