//! Reading a checkpoint of a million entries back into a state table.

use crate::keys::{each, update};
use crate::{Figure, Scale, cpu};
use std::error::Error;
use std::sync::Arc;
use waystream::engine::checkpoint::{Folder, LocalDisk, SegmentRef, SegmentWriter, read_segment};
use waystream::engine::key::{KEY_GROUPS, PerKey};
use waystream::engine::state::Table;
use waystream::engine::time::Epoch;

const KEYS: u64 = 1_000_000;
const ROUNDS: u32 = 3;

pub fn measure(scale: Scale) -> Result<Figure, Box<dyn Error>> {
    let mut table = Table::default();
    update(&mut table, &each(scale.of(KEYS)))?;
    table.begin_increment()?;
    while !table.encode_slice(usize::MAX)? {}
    let mut writer = SegmentWriter::default();
    writer.section("state", &table.take_increment());
    let file = writer.finish()?;
    let temporary = tempfile::tempdir()?;
    let folder = Folder::open(Arc::new(LocalDisk), temporary.path().to_owned())?;
    let name = "state.segment".to_owned();
    folder.put(&name, file.slices())?;
    let segment = file.named(name, Epoch(1), 0);

    let before_s = cpu::seconds()?;
    for _ in 0..ROUNDS {
        let restored = read_back(&folder, &segment)?;
        if restored.len() != table.len() {
            return Err(format!("{} of {} keys came back", restored.len(), table.len()).into());
        }
    }
    let value = (cpu::seconds()? - before_s) / f64::from(ROUNDS);
    Ok(Figure { value, unit: "s CPU, 1 M keys of 104 B", goal: Some(0.3) })
}

fn read_back(
    folder: &Folder,
    segment: &SegmentRef,
) -> Result<Table<PerKey<u64>, crate::keys::Value>, Box<dyn Error>> {
    let segment = read_segment(folder, segment)?;
    let mut table = Table::default();
    table.restore(&segment.entries("state", 0..KEY_GROUPS)?)?;
    Ok(table)
}
