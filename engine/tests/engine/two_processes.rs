//! Two processes with the same checkpoints: the second is refused while the first runs, and where
//! the lock does not reach, the one that was replaced can change nothing any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;
use waystream_engine::checkpoint::{Disk, Folder, LocalDisk, save};
use waystream_engine::error::{ErrorKind, JobError, Result};
use waystream_engine::job::{Build, JobConfig, Outcome, run};
use waystream_engine::metrics::Metrics;
use waystream_engine::plan::Plan;
use waystream_engine::simulation::{RowsFile, SimulatedDisk};
use waystream_engine::source::{
    EventTime, Partition, Position, ReadBatch, ReadStatus, Reader, Source,
};
use waystream_engine::time::{Timestamp, ms};

const RECORDS: u64 = 400;

/// Reads numbers, and stops half way for as long as its gate is shut.
#[derive(Clone)]
struct Gated(Arc<AtomicBool>);

struct GatedReader {
    gate: Arc<AtomicBool>,
    next: u64,
}

impl Source for Gated {
    type Record = u64;

    fn partitions(&mut self) -> Result<Vec<Partition>> {
        Ok(vec![Partition { index: 0, name: "numbers".to_owned() }])
    }

    fn open(
        &mut self,
        _: &Partition,
        from: Option<&Position>,
    ) -> Result<Box<dyn Reader<Record = u64>>> {
        let next = from.map_or(0, |position| postcard::from_bytes(&position.0).unwrap());
        Ok(Box::new(GatedReader { gate: Arc::clone(&self.0), next }))
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn identity(&self) -> String {
        "numbers".to_owned()
    }
}

impl Reader for GatedReader {
    type Record = u64;

    fn read(&mut self, batch: &mut ReadBatch<u64>) -> Result<ReadStatus> {
        if self.next == RECORDS / 2 && !self.gate.load(SeqCst) {
            return Ok(ReadStatus::Wait(Duration::from_millis(1)));
        }
        batch.records.extend((self.next..self.next + 10).map(|number| (number, number)));
        self.next += 10;
        batch.bytes = 80;
        batch.next = Position(postcard::to_stdvec(&self.next).unwrap());
        Ok(if self.next < RECORDS { ReadStatus::More } else { ReadStatus::End })
    }
}

/// A process that runs the job.
struct Process {
    gate: Arc<AtomicBool>,
    metrics: Metrics,
    thread: std::thread::JoinHandle<Result<Outcome>>,
}

fn rows(disk: &Arc<dyn Disk>, path: &std::path::Path) -> RowsFile<u64> {
    RowsFile::new(Arc::clone(disk), path.join("rows"))
}

fn start(disk: &Arc<dyn Disk>, path: &std::path::Path, gate_open: bool) -> Process {
    let gate = Arc::new(AtomicBool::new(gate_open));
    let folder = Folder::open(Arc::clone(disk), path.join("checkpoints")).unwrap();
    let config = JobConfig { checkpoint_every: ms(5), ..JobConfig::new("numbers", folder) };
    let metrics = config.metrics.clone();
    let (disk, path, source) = (Arc::clone(disk), path.to_owned(), Gated(Arc::clone(&gate)));
    let build: Build = Arc::new(move |plan: &Plan| {
        let time = EventTime::by(|number: &u64| Timestamp(*number as i64));
        let numbers = plan.source("numbers", Box::new(source.clone()), time);
        plan.sink("rows", &numbers, rows(&disk, &path));
    });
    Process { gate, metrics, thread: std::thread::spawn(move || run(config, build)) }
}

impl Process {
    /// Waits until the first half is committed and the job has nothing to do.
    fn wait_for_half(&self) {
        let committed = || self.metrics.sink("rows").committed.load(SeqCst);
        while committed() < RECORDS / 2 && !self.thread.is_finished() {
            std::thread::park_timeout(ms(1));
        }
    }

    fn end(self) -> Result<Outcome> {
        self.gate.store(true, SeqCst);
        self.thread.join().unwrap()
    }
}

fn is_exact(disk: &Arc<dyn Disk>, path: &std::path::Path) -> bool {
    rows(disk, path).read().unwrap().into_iter().eq(0..RECORDS)
}

#[test]
fn the_second_process_is_refused_while_the_first_runs() {
    let temporary = tempfile::tempdir().unwrap();
    let (disk, path): (Arc<dyn Disk>, _) = (Arc::new(LocalDisk), temporary.path());
    let first = start(&disk, path, false);
    first.wait_for_half();
    let refused = |error: JobError| {
        assert_eq!(error.kind, ErrorKind::Unavailable);
        let process = format!("process {} runs a job from ", std::process::id());
        assert!(error.to_string().starts_with(&process), "{error}");
        assert!(error.hint.unwrap().contains("--checkpoints"));
    };
    refused(start(&disk, path, true).end().unwrap_err());
    let running = Folder::at(Arc::clone(&disk), path.join("checkpoints"));
    let to = Folder::at(Arc::clone(&disk), path.join("savepoint"));
    refused(save(&running, "numbers", &to).unwrap_err());
    first.end().unwrap();
    assert!(is_exact(&disk, path));
    assert!(start(&disk, path, true).end().unwrap().was_finished);
}

#[test]
fn a_process_that_was_replaced_can_change_nothing() {
    let (disk, path): (Arc<dyn Disk>, _) = (Arc::new(SimulatedDisk::new()), "/job".as_ref());
    let zombie = start(&disk, path, false);
    zombie.wait_for_half();
    let replacement = start(&disk, path, true).end().unwrap();
    assert!(replacement.resumed_from.is_some());
    assert!(is_exact(&disk, path));
    let error = zombie.end().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.to_string().contains("generation 1 of job `numbers` is fenced"), "{error}");
    assert!(is_exact(&disk, path));
    assert!(start(&disk, path, true).end().unwrap().was_finished);
}
