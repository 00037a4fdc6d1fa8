//! How long a checkpoint stops a worker whose million entries have all changed, once the first has
//! taken its memory from the system.

use crate::keys::{each, scattered, update, update_some};
use crate::{Figure, Scale};
use cpu_time::ThreadTime;
use std::error::Error;

use waystream::engine::state::{ENTRIES_PER_SLICE, Table};

const KEYS: u64 = 1_000_000;
/// Updates between two slices, while the checkpoint is not complete.
const UPDATES_BETWEEN: usize = 1024;
const ROUNDS: usize = 5;

pub fn measure(scale: Scale) -> Result<Figure, Box<dyn Error>> {
    let keys = each(scale.of(KEYS));
    let touches = scattered(keys.len() as u64, 1 << 18);
    let mut table = Table::default();
    let mut pauses_ms = Vec::new();
    for round in 0..=ROUNDS {
        if round == 1 {
            pauses_ms.clear();
        }
        update(&mut table, &keys)?;
        pauses_ms.push(timed_ms(|| table.begin_increment())?.0);
        for at in (0..touches.len()).step_by(UPDATES_BETWEEN).cycle() {
            let (pause_ms, complete) = timed_ms(|| table.encode_slice(ENTRIES_PER_SLICE))?;
            pauses_ms.push(pause_ms);
            if complete {
                break;
            }
            update_some(&mut table, &touches, at..at + UPDATES_BETWEEN)?;
        }
        drop(table.take_increment());
    }
    pauses_ms.sort_by(f64::total_cmp);
    let value = pauses_ms[(pauses_ms.len() - 1) * 99 / 100];
    Ok(Figure { value, unit: "ms CPU p99 pause, 1 M changed keys", goal: Some(2.0) })
}

/// In processor time of this thread: another program's turn is no pause of the engine.
fn timed_ms<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(f64, T), E> {
    let begun = ThreadTime::now();
    let done = work()?;
    Ok((begun.elapsed().as_secs_f64() * 1000.0, done))
}
