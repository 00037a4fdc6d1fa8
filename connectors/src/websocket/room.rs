//! Room for the rows that are longer than a frame, over all sessions.
//!
//! Such a row is held until its client has taken it, so it needs room first, and waits for it with
//! nothing in hand. If none comes free for a second, those who have held theirs for longest make
//! way: who asks for long rows and does not read keeps nobody out.

use super::hub::lock;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// All of the room. A row that is longer takes all of it.
const ROOM_BYTES: usize = 64 * 1024 * 1024;

/// Who reads has taken a row by then, mostly.
const PATIENCE: Duration = Duration::from_secs(1);

/// Room for long rows; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// One permit per byte. Bound: [`ROOM_BYTES`]; who finds too few waits.
    free: Arc<Semaphore>,
    holders: Arc<Mutex<Holders>>,
}

/// Who holds room and has not been asked to make way, oldest first. Bound: the sessions.
#[derive(Debug, Default)]
struct Holders {
    next: u64,
    held: BTreeMap<u64, (u32, Arc<Notify>)>,
}

impl Default for Room {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(ROOM_BYTES)), holders: Arc::default() }
    }
}

impl Room {
    /// Room for so many bytes, once there is some; `None` if there will be none any more.
    pub(super) async fn take(&self, bytes: usize) -> Option<Held> {
        let bytes = u32::try_from(bytes.min(ROOM_BYTES)).ok()?;
        let mut taking = pin!(self.free.clone().acquire_many_owned(bytes));
        let permit = loop {
            match timeout(PATIENCE, taking.as_mut()).await {
                Ok(permit) => break permit.ok()?,
                Err(_) => self.show_out(bytes),
            }
        };
        let (mut holders, shown_out) = (lock(&self.holders), Arc::new(Notify::new()));
        let number = holders.next;
        holders.next += 1;
        holders.held.insert(number, (bytes, shown_out.clone()));
        Some(Held { room: self.clone(), number, shown_out, _permit: permit })
    }

    /// Asks the oldest to make way, until they hold so much together.
    fn show_out(&self, wanted: u32) {
        let mut holders = lock(&self.holders);
        let mut asked = 0;
        while asked < wanted
            && let Some((_, (bytes, oldest))) = holders.held.pop_first()
        {
            asked += bytes;
            oldest.notify_one();
        }
    }
}

/// Some of the room; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Held {
    room: Room,
    number: u64,
    shown_out: Arc<Notify>,
    _permit: OwnedSemaphorePermit,
}

impl Held {
    /// Ready when another needs the room.
    pub(super) async fn makes_way(&self) {
        self.shown_out.notified().await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.room.holders).held.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_make_way_for_who_waits_and_nobody_for_who_need_not() {
        let room = Room::default();
        let half = ROOM_BYTES / 2;
        let first = room.take(half).await.unwrap();
        let second = room.take(half).await.unwrap();
        let (third, ()) = tokio::join!(room.take(half), async {
            first.makes_way().await;
            drop(first);
        });
        assert!(timeout(PATIENCE, second.makes_way()).await.is_err(), "one was enough");
        let (all, ()) = tokio::join!(room.take(10 * ROOM_BYTES), async {
            tokio::join!(second.makes_way(), third.as_ref().unwrap().makes_way());
            drop((second, third));
        });
        assert_eq!(room.free.available_permits(), 0);
        drop(all);
        assert_eq!(room.free.available_permits(), ROOM_BYTES);
        assert!(lock(&room.holders).held.is_empty());
    }
}
