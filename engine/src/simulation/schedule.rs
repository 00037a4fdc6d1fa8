//! Gives turns to workers and background tasks in an order that follows from the seed, and kills
//! and restarts the job until its input has been read and everything is committed.

use super::cues::Cues;
use super::disk::SimulatedDisk;
use super::random::Random;
use crate::background::{Background, SteppedTasks};
use crate::clock::ManualClock;
use crate::error::{JobError, Result};
use crate::failure::Failure;
use crate::job::{Begin, Build, JobConfig, Takeover};
use crate::metrics::Metrics;
use crate::time::Timestamp;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use timely::communication::{Allocator, initialize_from};
use timely::worker::Worker;

/// Turns after which a run is taken to hang.
const MAX_TURNS: u64 = 200_000;
/// Rounds without any work after which everybody is taken to be at rest. News of a closed epoch
/// takes a few rounds per stage.
const ROUNDS_AT_REST: u32 = 64;

/// How often a job is disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crashes {
    /// Never.
    None,
    /// This many times: killed, cut from power, or hit by an I/O error, at moments the seed picks.
    Times(u32),
}

/// A job and the world it runs in.
#[derive(Clone)]
pub struct Scenario {
    /// The job; its `workers`, `clock` and `stop` are set by the simulation.
    pub config: JobConfig,
    /// Declares it.
    pub build: Build,
    /// Numbers of workers to choose from at each start.
    pub workers: Vec<usize>,
    /// The disk its checkpoints and file sinks are on.
    pub disk: SimulatedDisk,
    /// How often it is disturbed.
    pub crashes: Crashes,
    /// What its scripts ask for.
    pub cues: Cues,
    /// Asked at every turn whether it is to be killed now, whatever else disturbs it.
    pub crash_now: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Called when a start has ended, before the disk forgets anything.
    pub observe: Arc<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario").field("config", &self.config).finish_non_exhaustive()
    }
}

/// How one start of the job ended.
enum Ended {
    Done,
    Crashed,
    Failed(JobError),
}

/// Runs a job to its end, whatever happens on the way. Returns how often it was started.
///
/// # Errors
/// If it fails without having been disturbed, or makes no progress any more.
pub fn simulate(scenario: &Scenario, seed: u64) -> Result<u32> {
    let mut random = Random::new(seed);
    let clock = ManualClock::at(Timestamp(1_700_000_000_000));
    let mut left = match scenario.crashes {
        Crashes::None => 0,
        Crashes::Times(times) => times,
    };
    let mut starts = 0;
    loop {
        starts += 1;
        let disturbed = left > 0 && {
            left -= 1;
            disturb(&scenario.disk, &mut random)
        };
        let ended = start_once(scenario, &clock, &mut random, disturbed)?;
        (scenario.observe)();
        match ended {
            Ended::Done => return Ok(starts),
            Ended::Failed(error) if !disturbed && !scenario.disk.is_cut() => return Err(error),
            Ended::Failed(_) | Ended::Crashed => {}
        }
        scenario.cues.restart();
        if !scenario.cues.clock_is_held() {
            clock.advance_ms(random.below(5000) as i64);
        }
        if random.one_in(3) {
            scenario.disk.restart();
        } else {
            scenario.disk.power_up(&mut random);
        }
    }
}

/// Prepares trouble for the next start.
fn disturb(disk: &SimulatedDisk, random: &mut Random) -> bool {
    match random.below(4) {
        0 => disk.fail_after(random.below(120)),
        _ => disk.cut_after(random.below(160)),
    }
    true
}

fn start_once(
    scenario: &Scenario,
    clock: &ManualClock,
    random: &mut Random,
    disturbed: bool,
) -> Result<Ended> {
    let mut config = scenario.config.clone();
    config.workers = scenario.workers[random.below(scenario.workers.len() as u64) as usize];
    config.clock = Arc::new(clock.clone());
    let workers = config.workers;
    let takeover = match Takeover::begin(config, Arc::clone(&scenario.build), Failure::default()) {
        Ok(Begin::Ready(takeover)) => Arc::new(*takeover),
        Ok(Begin::Finished(_)) => return Ok(Ended::Done),
        Err(error) => return Ok(Ended::Failed(error)),
    };
    let mut stage = Stage::new(workers);
    let actors = std::mem::take(&mut stage.actors);
    let shared = Arc::clone(&takeover);
    let communication = timely::CommunicationConfig::Process(workers);
    let (builders, others) = communication.try_build().map_err(JobError::failed)?;
    let threads =
        initialize_from(builders, others, move |allocator| act(&shared, allocator, &actors))
            .map_err(JobError::unavailable)?;
    let crashed = stage.play(scenario, clock, random, disturbed);
    stage.close();
    for ended in threads.join() {
        if let Err(panic) = ended {
            return Err(JobError::failed(format!("a worker panicked: {panic}")));
        }
    }
    match (crashed?, takeover.outcome()) {
        (true, _) => Ok(Ended::Crashed),
        (false, Ok(_)) => Ok(Ended::Done),
        (false, Err(error)) => Ok(Ended::Failed(error)),
    }
}

/// The two ends of a worker's turns: "go" to it, and "still alive" from it.
struct Actor {
    go: Receiver<()>,
    done: Sender<bool>,
    tasks: SteppedTasks,
}

/// All workers of one start, seen from the one who gives the turns.
struct Stage {
    /// Each is taken by its worker's thread, so that its end shows when the thread ends.
    actors: Vec<Mutex<Option<Actor>>>,
    tasks: Vec<SteppedTasks>,
    go: Vec<Sender<()>>,
    done: Vec<Receiver<bool>>,
    alive: Vec<bool>,
}

/// A worker's thread: waits for its turn, takes it, says whether it is still alive.
fn act(takeover: &Takeover, allocator: Allocator, actors: &[Mutex<Option<Actor>>]) {
    let worker = Worker::new(timely::WorkerConfig::default(), allocator, None);
    let actor = actors[worker.index()].lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(actor) = actor else { return };
    let background = Background::stepped(Arc::clone(&actor.tasks), takeover.failure.clone());
    let mut run = match takeover.start_worker(worker, background) {
        Ok(run) => run,
        Err(error) => {
            takeover.failure.set(error);
            let _ = actor.done.send(false);
            return;
        }
    };
    let _ = actor.done.send(true);
    while actor.go.recv().is_ok() {
        let alive = run.turn();
        if actor.done.send(alive).is_err() {
            return;
        }
    }
}

impl Stage {
    fn new(workers: usize) -> Self {
        let mut stage = Self {
            actors: Vec::new(),
            tasks: Vec::new(),
            go: Vec::new(),
            done: Vec::new(),
            alive: vec![true; workers],
        };
        for _ in 0..workers {
            let ((go, gone), (doing, done)) = (bounded(1), bounded(1));
            let tasks = SteppedTasks::default();
            stage.tasks.push(Arc::clone(&tasks));
            stage.actors.push(Mutex::new(Some(Actor { go: gone, done: doing, tasks })));
            stage.go.push(go);
            stage.done.push(done);
        }
        stage
    }

    /// Plays until all workers are done, or a crash; returns whether it crashed.
    fn play(
        &mut self,
        scenario: &Scenario,
        clock: &ManualClock,
        random: &mut Random,
        disturbed: bool,
    ) -> Result<bool> {
        for (alive, done) in self.alive.iter_mut().zip(&self.done) {
            *alive = done.recv().unwrap_or(false);
        }
        let kill_at = if disturbed && random.one_in(3) { random.below(400) } else { u64::MAX };
        let (cues, metrics) = (&scenario.cues, &scenario.config.metrics);
        let mut at_rest = 0;
        for turn in 0..MAX_TURNS {
            if scenario.disk.is_cut()
                || turn >= kill_at
                || cues.take_crash()
                || (scenario.crash_now)()
            {
                scenario.disk.cut();
                return Ok(true);
            }
            if !self.alive.iter().any(|alive| *alive) {
                return Ok(false);
            }
            if cues.is_waiting() {
                at_rest = if self.round(metrics) { 0 } else { at_rest + 1 };
                if at_rest == ROUNDS_AT_REST {
                    cues.release(clock);
                    at_rest = 0;
                }
                continue;
            }
            if !cues.clock_is_held() {
                clock.advance_ms(random.below(40) as i64);
            }
            let actor = random.below(self.go.len() as u64) as usize;
            if random.one_in(2) {
                self.step_task(actor, random);
            } else {
                self.turn(actor);
            }
        }
        Err(JobError::failed(format!("no end after {MAX_TURNS} turns: the job hangs")))
    }

    fn turn(&mut self, actor: usize) {
        if self.alive[actor] {
            let sent = self.go[actor].send(()).is_ok();
            self.alive[actor] = sent && self.done[actor].recv().unwrap_or(false);
        }
    }

    /// Gives everybody a turn while the clock stands; returns whether anything was done.
    fn round(&mut self, metrics: &Metrics) -> bool {
        let before = metrics.work_done();
        let mut busy = false;
        for actor in 0..self.go.len() {
            let mut tasks = self.tasks[actor].lock().unwrap_or_else(PoisonError::into_inner);
            for (_, task) in tasks.iter_mut() {
                busy |= task();
            }
            drop(tasks);
            self.turn(actor);
        }
        busy || metrics.work_done() != before
    }

    fn step_task(&self, actor: usize, random: &mut Random) {
        let mut tasks = self.tasks[actor].lock().unwrap_or_else(PoisonError::into_inner);
        if !tasks.is_empty() {
            let chosen = random.below(tasks.len() as u64) as usize;
            (tasks[chosen].1)();
        }
    }

    fn close(&mut self) {
        self.go.clear();
    }
}
