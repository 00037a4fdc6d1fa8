//! A run: rows in order, in memory or coming from a file block by block.

use super::load::{Block, GroupReader, Key};
use super::spill::SpillReader;
use waystream_engine::error::Result;

/// Where a run's next block comes from.
pub(crate) enum More {
    /// There is none: all of it is in memory.
    Nothing,
    /// A run that was written to disk.
    Spilled(Box<SpillReader>),
    /// A row group that is in order as it is.
    Streamed(Box<GroupReader>),
}

/// Rows in order; `at` is the next one of the block.
pub(crate) struct Run {
    pub(crate) block: Block,
    pub(crate) at: usize,
    pub(crate) more: More,
}

impl Run {
    /// A run in memory. The block must have a row to be taken.
    pub(crate) fn in_memory(block: Block) -> Self {
        Self { block, at: 0, more: More::Nothing }
    }

    /// Bytes this run holds of the memory budget.
    pub(crate) fn budget_bytes(&self) -> usize {
        match self.more {
            More::Nothing => self.block.bytes,
            More::Spilled(_) | More::Streamed(_) => 0,
        }
    }

    /// The place of the next row.
    pub(crate) fn key(&self) -> Key {
        self.block.key(self.at)
    }

    /// The next row's number in the block's batch.
    pub(crate) fn row(&self) -> usize {
        self.block.order[self.at] as usize
    }

    /// Whether the next row is the last of its block.
    pub(crate) fn is_last_of_block(&self) -> bool {
        self.at + 1 == self.block.order.len()
    }

    /// Goes on to the next row; `false` if there is none.
    pub(crate) fn advance(&mut self) -> Result<bool> {
        self.at += 1;
        if self.at < self.block.order.len() {
            return Ok(true);
        }
        let next = match &mut self.more {
            More::Nothing => None,
            More::Spilled(reader) => reader.next_block()?,
            More::Streamed(reader) => reader.next_batch()?,
        };
        let Some(block) = next else { return Ok(false) };
        self.block = block;
        self.at = 0;
        Ok(true)
    }
}
