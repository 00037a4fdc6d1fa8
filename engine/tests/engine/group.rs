//! A job of several processes, here as threads over real sockets, and what it must not lose when
//! one of them is asked to stop.

use crossbeam_channel::{Receiver, bounded};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use waystream_engine::checkpoint::{Disk, Folder, LocalDisk};
use waystream_engine::cluster::{Cluster, Member, Secret};
use waystream_engine::error::{JobError, Result};
use waystream_engine::event::Event;
use waystream_engine::job::{Build, JobConfig, Outcome, StopSignal, run};
use waystream_engine::key::PerKey;
use waystream_engine::metrics::Metrics;
use waystream_engine::operator::{Operator, Scope};
use waystream_engine::plan::{Plan, Routing};
use waystream_engine::simulation::RowsFile;
use waystream_engine::source::{
    EventTime, Partition, Position, ReadBatch, ReadStatus, Reader, Source,
};
use waystream_engine::time::{Timestamp, ms, secs};

pub(crate) const PARTITIONS: u64 = 4;
const KEYS: u64 = 50;

/// Reads numbers in four partitions; each, or the one that is held, waits at a limit that may be
/// raised.
#[derive(Clone)]
pub(crate) struct Numbers {
    pub(crate) limit: Arc<AtomicU64>,
    pub(crate) held: Option<u64>,
    end: u64,
}

struct NumbersReader {
    of: Numbers,
    partition: u64,
    next: u64,
}

impl Source for Numbers {
    type Record = u64;

    fn partitions(&mut self) -> Result<Vec<Partition>> {
        let partition = |index| Partition { index, name: format!("numbers {index}") };
        Ok((0..PARTITIONS as u16).map(partition).collect())
    }

    fn open(
        &mut self,
        partition: &Partition,
        from: Option<&Position>,
    ) -> Result<Box<dyn Reader<Record = u64>>> {
        let next = from.map_or(0, |position| postcard::from_bytes(&position.0).unwrap());
        let partition = u64::from(partition.index);
        Ok(Box::new(NumbersReader { of: self.clone(), partition, next }))
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn identity(&self) -> String {
        "numbers".to_owned()
    }
}

impl Reader for NumbersReader {
    type Record = u64;

    fn read(&mut self, batch: &mut ReadBatch<u64>) -> Result<ReadStatus> {
        let is_held = self.of.held.is_none_or(|held| held == self.partition);
        if is_held && self.next >= self.of.limit.load(SeqCst) {
            return Ok(ReadStatus::Wait(ms(1)));
        }
        let numbers = self.next..self.next + 10;
        batch.records.extend(numbers.map(|at| (at, at * PARTITIONS + self.partition)));
        self.next += 10;
        batch.bytes = 80;
        batch.next = Position(postcard::to_stdvec(&self.next).unwrap());
        Ok(if self.next < self.of.end { ReadStatus::More } else { ReadStatus::End })
    }
}

/// Counts per key, and fails at one number.
pub(crate) struct Counting {
    fails_at: u64,
}

impl Operator<u64, u64> for Counting {
    type Address = PerKey<u64>;
    type State = u64;
    type Output = (u64, u64);

    fn schema(&self) -> String {
        "counting v1".to_owned()
    }

    fn on_event(
        &mut self,
        key: u64,
        event: Event<u64>,
        scope: &mut Scope<'_, PerKey<u64>, u64, (u64, u64), u64>,
    ) -> Result<()> {
        if event.value == self.fails_at {
            return Err(JobError::failed(format!("{key} is no good")).hint("leave it out"));
        }
        let slot = scope.slot_of(key, Default::default)?;
        let state = scope.state(slot)?;
        *state += 1;
        let row = (key, *state);
        scope.emit(event.with(row));
        Ok(())
    }
}

/// A job of several processes in one folder.
#[derive(Clone)]
pub(crate) struct Group {
    pub(crate) path: std::path::PathBuf,
    pub(crate) numbers: Numbers,
    pub(crate) fails_at: u64,
    pub(crate) workers: usize,
    pub(crate) member: Member,
}

type Ended = Receiver<Result<Outcome>>;

pub(crate) struct Running {
    pub(crate) stop: StopSignal,
    pub(crate) metrics: Metrics,
    ended: Ended,
}

impl Running {
    pub(crate) fn end(&self) -> Result<Outcome> {
        self.ended.recv_timeout(secs(60)).expect("a process hangs")
    }
}

pub(crate) fn listeners(count: usize) -> Vec<TcpListener> {
    (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect()
}

impl Group {
    pub(crate) fn new(path: &Path, end: u64) -> Self {
        let member = Member {
            index: 0,
            hosts: Vec::new(),
            secret: Secret::of(&[7; 32]).unwrap(),
            build: "1".to_owned(),
            options: String::new(),
            run: String::new(),
            peer_timeout: secs(2),
            gather_for: secs(20),
        };
        let limit = Arc::new(AtomicU64::new(u64::MAX));
        let numbers = Numbers { limit, held: None, end };
        Self { path: path.to_owned(), numbers, fails_at: u64::MAX, workers: 1, member }
    }

    pub(crate) fn start(&self, index: usize, listener: TcpListener) -> Running {
        let disk: Arc<dyn Disk> = Arc::new(LocalDisk);
        let folder = Folder::open(Arc::clone(&disk), self.path.join("checkpoints")).unwrap();
        let member = Member { index, ..self.member.clone() };
        let mut config = JobConfig::new("numbers", folder);
        config.workers = self.workers;
        config.checkpoint_every = ms(5);
        config.cluster = Some(Arc::new(Cluster::new(member, listener).unwrap()));
        let (stop, metrics) = (config.stop.clone(), config.metrics.clone());
        let group = self.clone();
        let build: Build = Arc::new(move |plan: &Plan| {
            let time = EventTime::by(|number: &u64| Timestamp(*number as i64));
            let numbers = plan.source("numbers", Box::new(group.numbers.clone()), time);
            let operator = Counting { fails_at: group.fails_at };
            let key = |number: &u64| number % KEYS;
            let counts = plan.keyed("counts", &numbers, key, Routing::Exchange, operator).out;
            plan.sink("rows", &counts, group.rows());
        });
        let (end, ended) = bounded(1);
        std::thread::spawn(move || end.send(run(config, build)));
        Running { stop, metrics, ended }
    }

    /// Starts all processes with the addresses that they have.
    pub(crate) fn start_all(&mut self, processes: usize) -> Vec<Running> {
        let listeners = listeners(processes);
        let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
        self.member.hosts = listeners.iter().map(address).collect();
        let numbered = listeners.into_iter().enumerate();
        numbered.map(|(index, listener)| self.start(index, listener)).collect()
    }

    fn rows(&self) -> RowsFile<(u64, u64)> {
        RowsFile::new(Arc::new(LocalDisk), self.path.join("rows"))
    }

    /// Whether the rows are those of each number once.
    pub(crate) fn is_exact(&self) -> bool {
        let mut rows = self.rows().read().unwrap();
        rows.sort_unstable();
        let per_key = self.numbers.end * PARTITIONS / KEYS;
        rows.into_iter().eq((0..KEYS).flat_map(|key| (1..=per_key).map(move |count| (key, count))))
    }
}

pub(crate) fn all_done(running: &[Running]) {
    for process in running {
        process.end().unwrap();
    }
}

/// Stops two processes at a process, when all but the held partitions have come to their end, and
/// has two others go on.
fn stop_and_go_on(asked: usize, held: Option<u64>) -> Result<(), String> {
    let temporary = tempfile::tempdir().unwrap();
    let mut group = Group::new(temporary.path(), 1000);
    group.numbers.limit.store(500, SeqCst);
    group.numbers.held = held;
    let running = group.start_all(2);
    let committed = || running[0].metrics.sink("rows").committed.load(SeqCst);
    let reached = held.map_or(500 * PARTITIONS, |_| 1000 * (PARTITIONS - 1) + 500);
    while committed() < reached {
        std::thread::park_timeout(ms(1));
    }
    running[asked].stop.request();
    all_done(&running);
    group.numbers.limit.store(u64::MAX, SeqCst);
    let resumed = group.start_all(2);
    let was_finished = resumed.iter().any(|process| process.end().unwrap().was_finished);
    match (was_finished, group.is_exact()) {
        (false, true) => Ok(()),
        (true, _) => Err("a stop was taken for the end of the input".to_owned()),
        (_, false) => Err("rows are lost, doubled or wrong".to_owned()),
    }
}

/// All that process 0 reads has come to its end when the other is asked to stop.
pub(crate) fn check_stop() -> Result<(), String> {
    stop_and_go_on(1, Some(PARTITIONS - 1))
}

/// Both go on in the middle of their input.
pub(crate) fn check_resumed() -> Result<(), String> {
    stop_and_go_on(0, None)
}
