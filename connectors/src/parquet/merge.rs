//! All rows of an archive in event-time order, whatever order the files hold them in.
//!
//! Row groups wait until the merge has come to the first time in them. Then they are read and put
//! in order: in memory while the budget lasts, beyond it on disk. A large row group that is in
//! order already is read as it goes.

use super::catalog::{Catalog, Group};
use super::load::{Block, GroupReader, Key, origin};
use super::run::{More, Run};
use super::spill::{SpillPlace, spill};
use arrow_schema::SchemaRef;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use waystream_engine::error::Result;

/// Row groups that are read as they go, at once: each has its decompressed pages in memory.
const MOST_STREAMED: usize = 8;
/// Runs on disk at once: each has a block in memory and an open file.
const MOST_SPILLED: usize = 64;

/// Merges the row groups of an archive.
pub(crate) struct Merge {
    pub(crate) catalog: Catalog,
    place: SpillPlace,
    budget_bytes: usize,
    used_bytes: usize,
    /// Row groups not begun yet, the earliest last.
    waiting: Vec<Group>,
    runs: Vec<Option<Run>>,
    heap: BinaryHeap<Reverse<(Key, usize)>>,
    after: Option<Key>,
    pub(crate) spills: usize,
}

impl Merge {
    /// A merge of everything after this place.
    pub(crate) fn new(
        mut catalog: Catalog,
        place: SpillPlace,
        budget_bytes: usize,
        after: Option<Key>,
    ) -> Self {
        let mut waiting = std::mem::take(&mut catalog.groups);
        waiting.retain(|group| after.is_none_or(|(time, _)| group.max_ms >= time));
        waiting.sort_by_key(|group| Reverse(first_key(group)));
        Self {
            catalog,
            place,
            budget_bytes,
            used_bytes: 0,
            waiting,
            runs: Vec::new(),
            heap: BinaryHeap::new(),
            after,
            spills: 0,
        }
    }

    /// The place of the next row, read so far that nothing earlier can follow.
    pub(crate) fn next_key(&mut self) -> Result<Option<Key>> {
        while let Some(group) = self.waiting.last() {
            if self.heap.peek().is_some_and(|Reverse((key, _))| *key < first_key(group)) {
                break;
            }
            if let Some(group) = self.waiting.pop() {
                self.load(group)?;
            }
        }
        Ok(self.heap.peek().map(|Reverse((key, _))| *key))
    }

    /// The block that holds the next row, and where it is in it.
    pub(crate) fn next_row(&self) -> Option<(&Block, usize)> {
        let Reverse((_, index)) = self.heap.peek()?;
        let run = self.runs[*index].as_ref()?;
        Some((&run.block, run.row()))
    }

    /// Goes past the next row.
    pub(crate) fn advance(&mut self) -> Result<()> {
        let Some(mut top) = self.heap.peek_mut() else { return Ok(()) };
        let index = top.0.1;
        let Some(run) = &mut self.runs[index] else { return Ok(()) };
        if run.advance()? {
            top.0.0 = run.key();
        } else {
            PeekMut::pop(top);
            self.used_bytes -= run.budget_bytes();
            self.runs[index] = None;
        }
        Ok(())
    }

    fn load(&mut self, group: Group) -> Result<()> {
        let mut reader = GroupReader::open(&mut self.catalog, group, self.after)?;
        let large = group.bytes > (self.budget_bytes / 8) as u64;
        let streamed = |run: &&Run| matches!(run.more, More::Streamed(_));
        if group.sorted && large && self.count(streamed) < MOST_STREAMED {
            if let Some(block) = reader.next_batch()? {
                self.add(Run { block, at: 0, more: More::Streamed(Box::new(reader)) });
            }
            return Ok(());
        }
        while let Some(block) = reader.next_chunk(self.budget_bytes / 4)? {
            if self.used_bytes > 0 && self.used_bytes + block.bytes > self.budget_bytes {
                self.spill_memory()?;
            }
            self.add(Run::in_memory(block));
        }
        Ok(())
    }

    fn add(&mut self, run: Run) {
        self.used_bytes += run.budget_bytes();
        let free = self.runs.iter().position(Option::is_none);
        let index = free.unwrap_or(self.runs.len());
        self.heap.push(Reverse((run.key(), index)));
        if free.is_some() {
            self.runs[index] = Some(run);
        } else {
            self.runs.push(Some(run));
        }
    }

    fn count(&self, which: impl Fn(&&Run) -> bool) -> usize {
        self.runs.iter().flatten().filter(which).count()
    }

    /// Writes what is in memory to disk; merges what is there if it has become too many runs.
    fn spill_memory(&mut self) -> Result<()> {
        self.rewrite(|run| matches!(run.more, More::Nothing))?;
        let spilled = |run: &Run| matches!(run.more, More::Spilled(_));
        if self.count(|run| spilled(run)) > MOST_SPILLED {
            self.rewrite(spilled)?;
        }
        Ok(())
    }

    /// Makes one run on disk of these runs, or one of each schema among them.
    fn rewrite(&mut self, which: impl Fn(&Run) -> bool) -> Result<()> {
        let mut groups: Vec<(SchemaRef, Vec<Run>)> = Vec::new();
        let mut kept = Vec::new();
        for run in std::mem::take(&mut self.runs).into_iter().flatten() {
            if !which(&run) {
                kept.push(run);
                continue;
            }
            let schema = run.block.batch.schema();
            match groups.iter_mut().find(|(other, _)| *other == schema) {
                Some((_, runs)) => runs.push(run),
                None => groups.push((schema, vec![run])),
            }
        }
        for (_, runs) in groups {
            self.spills += 1;
            kept.extend(spill(&self.place, runs)?);
        }
        self.heap.clear();
        self.used_bytes = 0;
        kept.into_iter().for_each(|run| self.add(run));
        Ok(())
    }
}

/// A place that no row of the group comes before.
fn first_key(group: &Group) -> Key {
    (group.min_ms, origin(group.file, group.first_row))
}
