//! Reads a worker's share of a source's partitions in turn. Runs on a thread of its own, or in
//! place when the job is simulated.

use super::published::Published;
use super::{Partition, Position, ReadBatch, ReadStatus, Reader, Source};
use crate::clock::Clock;
use crate::error::{JobError, Result};
use crate::event::Data;
use crate::time::millis;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What the reading side tells the worker.
#[derive(Debug)]
pub(crate) enum FeedMessage<R> {
    /// A partition of this worker's share exists.
    Found(Partition),
    /// All partitions that exist now have been named.
    AllFound,
    /// Records of a partition.
    Records(u16, ReadBatch<R>),
    /// A partition has ended.
    Ended(u16),
    /// Every partition has ended and no new one will come.
    AllEnded,
}

/// Which partitions a worker reads and where it goes on in each.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) worker: usize,
    pub(crate) workers: usize,
    pub(crate) resume: HashMap<String, Position>,
    pub(crate) ended: Vec<String>,
    /// Whether a checkpoint knows this source.
    pub(crate) resumes: bool,
}

/// A partition that is read.
struct Open<R> {
    partition: Partition,
    reader: Box<dyn Reader<Record = R>>,
    /// Where the worker was told last that reading goes on.
    told: Position,
}

/// The reading side of one source on one worker.
pub(crate) struct Feed<R> {
    source: Box<dyn Source<Record = R>>,
    share: Share,
    open: Vec<Open<R>>,
    known: Vec<u16>,
    turn: usize,
    clock: Arc<dyn Clock>,
    /// When it was asked for partitions, by the clock's ticks; `None` before the first time.
    discovered_ms: Option<i64>,
    published: Published,
    finished: bool,
}

impl<R: Data> Feed<R> {
    pub(crate) fn new(
        mut source: Box<dyn Source<Record = R>>,
        share: Share,
        published: Published,
        clock: Arc<dyn Clock>,
    ) -> Self {
        source.begin(share.resumes);
        Self {
            source,
            share,
            open: Vec::new(),
            known: Vec::new(),
            turn: 0,
            clock,
            discovered_ms: None,
            published,
            finished: false,
        }
    }

    /// Whether there is nothing more to come.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Takes one turn: discovers partitions or reads from the next one. Returns how long there is
    /// nothing to do, if so.
    pub(crate) fn turn(&mut self, out: &mut Vec<FeedMessage<R>>) -> Result<Option<Duration>> {
        let is_bounded = self.source.is_bounded();
        match self.discovered_ms {
            None => {
                self.discover(out)?;
                out.push(FeedMessage::AllFound);
                return Ok(None);
            }
            Some(at) if !is_bounded && self.is_due(at) => self.discover(out)?,
            Some(_) => {}
        }
        if let Some(positions) = self.published.take() {
            self.source.committed(positions);
        }
        if self.open.is_empty() && is_bounded {
            out.push(FeedMessage::AllEnded);
            self.finished = true;
            return Ok(None);
        }
        let mut wait = Duration::from_millis(100);
        for _ in 0..self.open.len() {
            let at = self.turn % self.open.len();
            self.turn = at + 1;
            let Open { partition, reader, told } = &mut self.open[at];
            let mut batch = ReadBatch::default();
            let status = reader.read(&mut batch)?;
            let index = partition.index;
            let moved = !batch.next.0.is_empty() && batch.next != *told;
            let says = !batch.records.is_empty() || !batch.rejects.is_empty();
            if says || batch.watermark.is_some() || moved {
                told.clone_from(&batch.next);
                out.push(FeedMessage::Records(index, batch));
            }
            match status {
                ReadStatus::More => return Ok(None),
                ReadStatus::Wait(quiet) => wait = wait.min(quiet),
                ReadStatus::End => {
                    out.push(FeedMessage::Ended(index));
                    self.open.remove(at);
                    self.turn = at;
                    return Ok(None);
                }
            }
            if !out.is_empty() {
                return Ok(None);
            }
        }
        Ok(Some(wait))
    }

    fn is_due(&self, discovered_ms: i64) -> bool {
        self.clock.ticks_ms() - discovered_ms >= millis(self.source.discover_every())
    }

    fn discover(&mut self, out: &mut Vec<FeedMessage<R>>) -> Result<()> {
        self.discovered_ms = Some(self.clock.ticks_ms());
        let partitions = self.source.partitions()?;
        let is_lost = |name: &&String| {
            !self.share.ended.contains(name) && partitions.iter().all(|there| there.name != **name)
        };
        if let Some(lost) = self.share.resume.keys().find(is_lost) {
            let what = format!("`{lost}` was read in part and is not there any more");
            return Err(JobError::configuration(what)
                .hint("put it back, or start from an empty state with --fresh"));
        }
        for partition in partitions {
            let mine = usize::from(partition.index) % self.share.workers == self.share.worker;
            if !mine || self.known.contains(&partition.index) {
                continue;
            }
            self.known.push(partition.index);
            out.push(FeedMessage::Found(partition.clone()));
            if self.share.ended.contains(&partition.name) {
                out.push(FeedMessage::Ended(partition.index));
                continue;
            }
            let reader = self.source.open(&partition, self.share.resume.get(&partition.name))?;
            self.open.push(Open { partition, reader, told: Position::default() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::simulation::{Cues, Script, Step};

    fn feed(script: Script<u8>, share: Share) -> Feed<u8> {
        let clock = Arc::new(ManualClock::default());
        Feed::new(Box::new(script), share, Published::default(), clock)
    }

    fn first_turn(resume: &str, ended: &[&str]) -> Result<Option<Duration>> {
        let script = Script::new("steps", vec![vec![Step::Record(1_u8)]], Cues::default(), 1);
        let position = Position(postcard::to_stdvec(&0_usize).unwrap());
        let resume = HashMap::from([(resume.to_owned(), position)]);
        let ended = ended.iter().map(|name| (*name).to_owned()).collect();
        feed(script, Share { worker: 0, workers: 1, resume, ended, resumes: true })
            .turn(&mut Vec::new())
    }

    #[test]
    fn partitions_take_turns_from_the_first_on_also_when_one_ends() {
        let rows = |count| vec![Step::Record(1_u8); count];
        let script = Script::new("steps", vec![rows(3), rows(1), rows(2)], Cues::default(), 1);
        let (resume, ended) = Default::default();
        let mut feed = feed(script, Share { worker: 0, workers: 1, resume, ended, resumes: false });
        let mut messages = Vec::new();
        while !feed.is_finished() {
            feed.turn(&mut messages).unwrap();
        }
        let index = |message: &FeedMessage<u8>| match message {
            FeedMessage::Records(index, _) => Some(*index),
            _ => None,
        };
        assert_eq!(messages.iter().filter_map(index).collect::<Vec<_>>(), [0, 1, 2, 0, 2, 0]);
    }

    #[test]
    fn a_partition_that_was_read_in_part_must_be_there() {
        first_turn("0", &[]).unwrap();
        first_turn("7", &["7"]).unwrap();
        let error = first_turn("7", &[]).unwrap_err();
        assert_eq!(error.what, "`7` was read in part and is not there any more");
    }
}
