//! Crash anywhere: drives a committer as the engine does, cuts it off at chosen operations, and
//! checks that in the end each row is there once.

use proptest::prelude::*;
use std::sync::Arc;
use waystream_engine::checkpoint::{Confirmed, Disk};
use waystream_engine::error::JobError;
use waystream_engine::simulation::{Random, SimulatedDisk};
use waystream_engine::sink::{Committer, StagedBatch};
use waystream_engine::time::Epoch;

/// A sink under test; its rows are numbers.
#[derive(Clone, Copy)]
pub(super) struct Subject {
    pub(super) committer: fn(Arc<dyn Disk>) -> Box<dyn Committer>,
    pub(super) encode: fn(&[u64]) -> Vec<u8>,
    /// The visible rows, or what is wrong with the target.
    pub(super) read: fn(&dyn Disk) -> Result<Vec<u64>, String>,
    /// Whether readers may look at any moment, not only after a recovery.
    pub(super) always_whole: bool,
}

/// How a run is cut off.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outage {
    /// The process is killed: all that reached the system stays.
    Process,
    /// Power fails: only what was synced stays.
    Power,
    /// Power fails, and chance has written some of the rest already.
    Chance(u64),
}

impl Outage {
    /// The disk as the next run finds it.
    fn after(self, disk: &SimulatedDisk) -> Arc<SimulatedDisk> {
        let next = disk.copy();
        match self {
            Self::Process => {}
            Self::Power => next.lose_unsynced(),
            Self::Chance(seed) => next.power_up(&mut Random::new(seed)),
        }
        Arc::new(next)
    }
}

/// One way a run ends before its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crash {
    pub(super) after_operations: u64,
    pub(super) outage: Outage,
    /// Whether the last confirmation had reached a manifest.
    pub(super) noted: bool,
    /// How many more epochs already counted: manifests do not wait for sinks.
    pub(super) ahead: usize,
}

/// Batches of row counts by epoch: epoch `i + 1` stages `script[i]`.
pub(super) type Script = Vec<Vec<u64>>;

/// Runs the script through the crashes and then to its end; `Err` says what was violated.
pub(super) fn check(subject: Subject, script: &Script, crashes: &[Crash]) -> Result<(), String> {
    let mut world = World::new(subject, script);
    for crash in crashes {
        world.disk.cut_after(crash.after_operations);
        match world.live() {
            Ok(()) => break,
            Err(_) if world.disk.is_cut() => world.fall(*crash)?,
            Err(error) => return Err(format!("stopped without a crash: {error}")),
        }
    }
    world.disk = Outage::Process.after(&world.disk);
    world.live().map_err(|error| format!("the last run stopped: {error}"))?;
    let all: Vec<u64> = (0..world.rows_until(script.len())).collect();
    for outage in [Outage::Process, Outage::Power] {
        let found = (subject.read)(&*outage.after(&world.disk))?;
        if found != all {
            return Err(format!("{outage:?}: {} rows were staged, found {found:?}", all.len()));
        }
    }
    Ok(())
}

/// Checks a crash at every single operation of the script, in every way.
pub(super) fn check_every_operation(subject: Subject, script: &Script) -> Result<u64, String> {
    for after_operations in 0.. {
        let mut world = World::new(subject, script);
        world.disk.cut_after(after_operations);
        if world.live().is_ok() {
            return Ok(after_operations);
        }
        for outage in [Outage::Process, Outage::Power, Outage::Chance(1), Outage::Chance(2)] {
            for (noted, ahead) in [(false, 0), (false, 2), (true, 0), (true, 1)] {
                let crash = Crash { after_operations, outage, noted, ahead };
                check(subject, script, &[crash]).map_err(|what| format!("{crash:?}: {what}"))?;
            }
        }
    }
    unreachable!("a script ends")
}

/// The engine's side: what its manifests say.
struct World {
    subject: Subject,
    script: Script,
    disk: Arc<SimulatedDisk>,
    /// Epochs that count.
    counted: usize,
    confirmed: Option<Confirmed>,
    /// Said by the sink, not in a manifest yet.
    unnoted: Option<Confirmed>,
    violation: Option<String>,
}

impl World {
    fn new(subject: Subject, script: &Script) -> Self {
        Self {
            subject,
            script: script.clone(),
            disk: Arc::default(),
            counted: 0,
            confirmed: None,
            unnoted: None,
            violation: None,
        }
    }

    /// One run, as `Payer` and `Ledger` would have it.
    fn live(&mut self) -> Result<(), JobError> {
        let mut committer = (self.subject.committer)(self.disk.clone());
        committer.recover(self.confirmed.as_ref())?;
        self.check_recovered();
        let paid = self.confirmed.as_ref().map_or(0, |confirmed| confirmed.epoch.0 as usize);
        let mut last_paid = paid;
        let owed: Vec<_> = (paid..self.counted).flat_map(|index| self.staged(index)).collect();
        if !owed.is_empty() {
            self.unnoted = committer.commit(Epoch(self.counted as u64), owed)?;
            last_paid = self.counted;
        }
        for index in self.counted..self.script.len() {
            self.counted = index + 1;
            self.note();
            let staged = self.staged(index);
            if !staged.is_empty() {
                let confirmed = committer.commit(Epoch(self.counted as u64), staged)?;
                self.unnoted = confirmed.or(self.unnoted.take());
                last_paid = self.counted;
            }
        }
        let confirmed = committer.finish(Epoch(last_paid as u64))?;
        self.unnoted = confirmed.or(self.unnoted.take());
        self.note();
        let confirmed = self.confirmed.as_ref().map_or(0, |confirmed| confirmed.epoch.0);
        if confirmed < last_paid as u64 {
            self.violated(format!("finished at epoch {last_paid}, confirmed up to {confirmed}"));
        }
        self.violation.take().map_or(Ok(()), |what| Err(JobError::failed(what)))
    }

    fn note(&mut self) {
        self.confirmed = self.unnoted.take().or(self.confirmed.take());
    }

    fn fall(&mut self, crash: Crash) -> Result<(), String> {
        if crash.noted {
            self.note();
        }
        self.unnoted = None;
        self.disk = crash.outage.after(&self.disk);
        self.check_fallen()?;
        self.counted = self.script.len().min(self.counted + crash.ahead);
        self.violation.take().map_or(Ok(()), Err)
    }

    /// Where readers may look at any moment, they see no row twice and none that does not count.
    fn check_fallen(&self) -> Result<(), String> {
        if !self.subject.always_whole {
            return Ok(());
        }
        let mut rows = (self.subject.read)(&*self.disk)?;
        rows.sort_unstable();
        let once = rows.windows(2).all(|pair| pair[0] < pair[1]);
        if once && rows.iter().all(|row| *row < self.rows_until(self.counted)) {
            return Ok(());
        }
        Err(format!("after the crash, found {rows:?}"))
    }

    /// After a recovery only whole rows of epochs that count may be seen, from the first on, and
    /// all that was confirmed.
    fn check_recovered(&mut self) {
        let confirmed = self.confirmed.as_ref().map_or(0, |confirmed| confirmed.epoch.0 as usize);
        let (least, most) = (self.rows_until(confirmed), self.rows_until(self.counted));
        match (self.subject.read)(&*Outage::Process.after(&self.disk)) {
            Ok(rows) => {
                let in_order = rows.iter().copied().eq(0..rows.len() as u64);
                if !in_order || !(least..=most).contains(&(rows.len() as u64)) {
                    let sees = format!("after recovery {least}..={most} rows, found {rows:?}");
                    self.violated(sees);
                }
            }
            Err(what) => self.violated(format!("after recovery: {what}")),
        }
    }

    fn violated(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    fn staged(&self, index: usize) -> Vec<StagedBatch> {
        let mut next = self.rows_until(index);
        let mut batches = Vec::new();
        for rows in &self.script[index] {
            let numbers: Vec<u64> = (next..next + rows).collect();
            next += rows;
            let bytes = (self.subject.encode)(&numbers);
            batches.push(StagedBatch { epoch: Epoch(index as u64 + 1), rows: *rows, bytes });
        }
        batches
    }

    fn rows_until(&self, epochs: usize) -> u64 {
        self.script[..epochs].iter().flatten().sum()
    }
}

fn any_outage() -> impl Strategy<Value = Outage> {
    prop_oneof![Just(Outage::Process), Just(Outage::Power), any::<u64>().prop_map(Outage::Chance)]
}

/// Up to eight epochs of up to three batches.
pub(super) fn any_script() -> impl Strategy<Value = Script> {
    prop::collection::vec(prop::collection::vec(1_u64..4, 0..3), 1..9)
}

/// Up to four crashes, one after the other.
pub(super) fn any_crashes() -> impl Strategy<Value = Vec<Crash>> {
    let crash = (0_u64..60, any_outage(), any::<bool>(), 0_usize..3).prop_map(
        |(after_operations, outage, noted, ahead)| Crash { after_operations, outage, noted, ahead },
    );
    prop::collection::vec(crash, 0..5)
}
