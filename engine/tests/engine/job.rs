//! A small job that shows every loss, duplicate and reordering in its output: a running sum per
//! key, a count per window, and dead letters.

use std::path::Path;
use std::sync::{Arc, Mutex};
use waystream_engine::checkpoint::{Disk, Folder};
use waystream_engine::error::Result;
use waystream_engine::event::Event;
use waystream_engine::job::{Build, JobConfig};
use waystream_engine::key::{PerKey, PerWindow};
use waystream_engine::operator::{Due, Operator, Scope};
use waystream_engine::plan::{Plan, Routing};
use waystream_engine::simulation::{
    Crashes, Cues, Random, RowsFile, Scenario, Script, SimulatedDisk, Step, simulate,
};
use waystream_engine::source::{DeadLetter, EventTime};
use waystream_engine::time::{Timestamp, ms};

/// Key, event time in milliseconds, amount.
type Reading = (u32, i64, u64);
/// Key, how many so far, their sum, and a hash that depends on their order.
type Sum = (u32, u64, u64, u64);
/// Key, window start, count.
type Count = (u32, i64, u64);

/// Where the job keeps its checkpoints.
pub(crate) const CHECKPOINTS: &str = "/checkpoints";
const WINDOW_MS: i64 = 50;
const OUTPUTS: [&str; 4] = ["/out/sums", "/out/counts", "/out/late", "/out/dead"];

struct RunningSum;

impl Operator<u32, Reading> for RunningSum {
    type Address = PerKey<u32>;
    type State = (u64, u64, u64);
    type Output = Sum;

    fn schema(&self) -> String {
        "running sum v1".to_owned()
    }

    fn on_event(
        &mut self,
        key: u32,
        event: Event<Reading>,
        scope: &mut Scope<'_, PerKey<u32>, Self::State, Sum, Reading>,
    ) -> Result<()> {
        let slot = scope.slot_of(key, Default::default)?;
        let state = scope.state(slot)?;
        state.0 += 1;
        state.1 += event.value.2;
        state.2 = state.2.wrapping_mul(31).wrapping_add(event.value.2);
        let row = (key, state.0, state.1, state.2);
        scope.emit(event.with(row));
        Ok(())
    }
}

struct WindowCount;

impl Operator<u32, Sum> for WindowCount {
    type Address = PerWindow<u32>;
    type State = u64;
    type Output = Count;

    fn schema(&self) -> String {
        "window count v1".to_owned()
    }

    fn on_event(
        &mut self,
        key: u32,
        event: Event<Sum>,
        scope: &mut Scope<'_, PerWindow<u32>, u64, Count, Sum>,
    ) -> Result<()> {
        let start_ms = event.time.0.div_euclid(WINDOW_MS) * WINDOW_MS;
        if start_ms + WINDOW_MS <= event.watermark.0 {
            scope.late(event);
            return Ok(());
        }
        let slot = scope.slot(PerWindow { key, start_ms }, || 0)?;
        *scope.state(slot)? += 1;
        scope.wake_at(slot, Some(Timestamp(start_ms + WINDOW_MS)))
    }

    fn on_timer(
        &mut self,
        slot: u32,
        due: Due,
        scope: &mut Scope<'_, PerWindow<u32>, u64, Count, Sum>,
    ) -> Result<()> {
        assert!(matches!(due, Due::Event(_)));
        if let Some(entry) = scope.table.remove(slot)? {
            let at = Timestamp(entry.address.start_ms + WINDOW_MS - 1);
            scope.emit_at(at, (entry.address.key, entry.address.start_ms, entry.state));
        }
        Ok(())
    }
}

/// What the job put out, each sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answers {
    sums: Vec<Sum>,
    counts: Vec<Count>,
    late: Vec<Sum>,
    dead: Vec<(String, u64)>,
}

/// Readings of a seed: each key stays in one partition, so that its order is given.
fn readings(seed: u64) -> Vec<Vec<Step<Reading>>> {
    let mut random = Random::new(seed);
    let partitions = 1 + random.below(3);
    let script = |partition: u64, random: &mut Random| {
        let mut at = 1000;
        let steps = 20 + random.below(120);
        let mut script = Vec::new();
        for _ in 0..steps {
            at += random.below(12) as i64;
            let late = if random.one_in(10) { random.below(150) as i64 } else { 0 };
            let key = (random.below(8) * partitions + partition) as u32;
            script.push(match random.below(40) {
                0 => Step::Broken(vec![random.below(256) as u8]),
                _ => Step::Record((key, at - late, random.below(1000))),
            });
        }
        script
    };
    (0..partitions).map(|partition| script(partition, &mut random)).collect()
}

/// The answers by a loop over each partition.
fn naive(script: &[Vec<Step<Reading>>]) -> Answers {
    let mut answers = Answers { sums: vec![], counts: vec![], late: vec![], dead: vec![] };
    let mut counts = std::collections::BTreeMap::new();
    for (partition, steps) in script.iter().enumerate() {
        let mut sums = std::collections::BTreeMap::<u32, (u64, u64, u64)>::new();
        let mut watermark = i64::MIN;
        for (at, step) in steps.iter().enumerate() {
            match step {
                Step::Crash | Step::Watermark(_) | Step::Advance(_) | Step::Idle => {}
                Step::Broken(_) => answers.dead.push((partition.to_string(), at as u64)),
                Step::Record((key, time, amount)) => {
                    let sum = sums.entry(*key).or_default();
                    *sum =
                        (sum.0 + 1, sum.1 + amount, sum.2.wrapping_mul(31).wrapping_add(*amount));
                    let row = (*key, sum.0, sum.1, sum.2);
                    answers.sums.push(row);
                    let start = time.div_euclid(WINDOW_MS) * WINDOW_MS;
                    if start + WINDOW_MS <= watermark {
                        answers.late.push(row);
                    } else {
                        *counts.entry((*key / 2, start)).or_insert(0) += 1;
                    }
                    watermark = watermark.max(time - 20);
                }
            }
        }
    }
    answers.counts = counts.into_iter().map(|((key, start), n)| (key, start, n)).collect();
    sorted(answers)
}

fn sorted(mut answers: Answers) -> Answers {
    answers.sums.sort_unstable();
    answers.counts.sort_unstable();
    answers.late.sort_unstable();
    answers.dead.sort_unstable();
    answers
}

fn build(disk: &SimulatedDisk, script: Script<Reading>) -> Build {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Arc::new(move |plan: &Plan| {
        let event_time =
            EventTime::by(|reading: &Reading| Timestamp(reading.1)).out_of_order(ms(20));
        let readings = plan.source("readings", Box::new(script.clone()), event_time);
        let sums =
            plan.keyed("sums", &readings, |reading| reading.0, Routing::Exchange, RunningSum);
        let counts =
            plan.keyed("counts", &sums.out, |sum| sum.0 / 2, Routing::Exchange, WindowCount);
        plan.sink("sums-out", &sums.out, RowsFile::<Sum>::new(Arc::clone(&disk), "/out/sums"));
        plan.sink(
            "counts-out",
            &counts.out,
            RowsFile::<Count>::new(Arc::clone(&disk), "/out/counts"),
        );
        plan.sink("late-out", &counts.late, RowsFile::<Sum>::new(Arc::clone(&disk), "/out/late"));
        let dead = RowsFile::<DeadLetter>::new(Arc::clone(&disk), "/out/dead");
        plan.sink("dead-out", &plan.dead_letters(), dead);
    })
}

/// The job of a seed, its disk, and what it has to put out.
pub(crate) struct World {
    pub(crate) disk: SimulatedDisk,
    pub(crate) config: JobConfig,
    script: Vec<Vec<Step<Reading>>>,
    batch: usize,
    expected: Answers,
}

impl World {
    /// The job as the seed has it, on an empty disk.
    pub(crate) fn new(seed: u64) -> Self {
        let script = readings(seed);
        let expected = naive(&script);
        let disk = SimulatedDisk::new();
        let mut random = Random::new(seed ^ 0xABCD);
        let batch = 1 + random.below(12) as usize;
        let folder = Folder::open(Arc::new(disk.clone()), CHECKPOINTS).unwrap();
        let mut config = JobConfig::new("sums", folder);
        config.checkpoint_every = ms(20 + random.below(200));
        config.max_bytes_in_flight = 256 + random.below(20_000) as usize;
        config.max_epochs_in_flight = 2 + random.below(8) as usize;
        Self { disk, config, script, batch, expected }
    }

    /// The same job on a copy of the disk.
    pub(crate) fn copy(&self) -> Self {
        let disk = self.disk.copy();
        let path = self.config.checkpoints.path();
        let checkpoints = Folder::at(Arc::new(disk.clone()), path);
        let config = JobConfig { checkpoints, ..self.config.clone() };
        Self { disk, config, script: self.script.clone(), expected: self.expected.clone(), ..*self }
    }

    /// The job without anybody who disturbs it.
    pub(crate) fn scenario(&self) -> Scenario {
        let cues = Cues::default();
        let script = Script::new("readings", self.script.clone(), cues.clone(), self.batch);
        Scenario {
            config: self.config.clone(),
            build: build(&self.disk, script),
            workers: vec![1, 2, 3],
            disk: self.disk.clone(),
            crashes: Crashes::None,
            cues,
            crash_now: Arc::new(|| false),
            observe: Arc::new(|| {}),
        }
    }

    /// Compares what the job put out with the loop; the error says what differs.
    pub(crate) fn compare(&self) -> Result<(), String> {
        let found = answers(&self.disk).map_err(|error| error.to_string())?;
        match found == self.expected {
            true => Ok(()),
            false => Err(difference(&self.expected, &found)),
        }
    }
}

/// Runs the job of a seed with crashes and compares it with the loop; the error says what differs.
pub(crate) fn check(seed: u64, crashes: Crashes) -> Result<(), String> {
    let world = World::new(seed);
    let disk = world.disk.clone();
    let seen: Arc<Mutex<Vec<[Vec<u8>; 4]>>> = Arc::default();
    let observe = {
        let (disk, seen) = (disk.clone(), Arc::clone(&seen));
        move || {
            let now = OUTPUTS.map(|path| disk.peek(Path::new(path)));
            seen.lock().unwrap().push(now);
        }
    };
    let scenario = Scenario { crashes, observe: Arc::new(observe), ..world.scenario() };
    simulate(&scenario, seed).map_err(|error| format!("seed {seed}: {error}"))?;
    disk.restart();
    let seen = seen.lock().unwrap();
    for (at, path) in OUTPUTS.into_iter().enumerate() {
        let last = disk.peek(Path::new(path));
        if !seen.iter().all(|now| last.starts_with(&now[at])) {
            let places: Vec<_> =
                seen.iter().map(|now| (now[at].len(), common(&now[at], &last))).collect();
            return Err(format!(
                "seed {seed}: {path} of {} bytes showed rows that did not stay: (length, equal) {places:?}",
                last.len()
            ));
        }
    }
    world.compare().map_err(|what| format!("seed {seed}: {what}"))
}

fn answers(disk: &SimulatedDisk) -> Result<Answers> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let dead = RowsFile::<DeadLetter>::new(Arc::clone(&disk), "/out/dead").read()?;
    Ok(sorted(Answers {
        sums: RowsFile::new(Arc::clone(&disk), "/out/sums").read()?,
        counts: RowsFile::new(Arc::clone(&disk), "/out/counts").read()?,
        late: RowsFile::new(disk, "/out/late").read()?,
        dead: dead.into_iter().map(|letter| (letter.partition, letter.offset)).collect(),
    }))
}

fn difference(expected: &Answers, found: &Answers) -> String {
    fn lost<T: PartialEq + Clone>(from: &[T], other: &[T]) -> Vec<T> {
        from.iter().filter(|row| !other.contains(row)).take(3).cloned().collect()
    }
    format!(
        "sums {}/{} lost {:?} extra {:?}; counts {}/{} lost {:?} extra {:?}; late {}/{}; dead {}/{}",
        found.sums.len(),
        expected.sums.len(),
        lost(&expected.sums, &found.sums),
        lost(&found.sums, &expected.sums),
        found.counts.len(),
        expected.counts.len(),
        lost(&expected.counts, &found.counts),
        lost(&found.counts, &expected.counts),
        found.late.len(),
        expected.late.len(),
        found.dead.len(),
        expected.dead.len(),
    )
}

fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
