//! Room for the rows that are longer than a frame, over all sessions.
//!
//! Such a row is held until its client has taken it, so it needs room first, and waits for it in line
//! with nothing in hand. If none is free, those who have held theirs for longest, and for a second,
//! make way for the first in line: who asks for long rows and does not read keeps nobody out, and who
//! reads has a second for it.

use super::hub::lock;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Mutex as AsyncMutex, Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// All of the room. A row that is longer takes all of it.
const ROOM_BYTES: usize = 64 * 1024 * 1024;

/// How long a row may be held though another waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the first in line looks whether somebody has held a row for that long.
const LOOK: Duration = Duration::from_millis(50);

/// Room for long rows; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// One permit per byte. Bound: [`ROOM_BYTES`]; who finds too few waits.
    free: Arc<Semaphore>,
    /// Held by the first in line. Bound: the sessions; the others wait, first come first served.
    line: Arc<AsyncMutex<()>>,
    holders: Arc<Mutex<Holders>>,
}

/// Who holds room.
#[derive(Debug, Default)]
struct Holders {
    next: u64,
    /// Who has not been asked to make way, oldest first. Bound: the sessions.
    held: BTreeMap<u64, Holder>,
    /// What those hold who have been asked.
    leaving: u32,
}

#[derive(Debug)]
struct Holder {
    bytes: u32,
    since: Instant,
    shown_out: Arc<Notify>,
}

impl Default for Room {
    fn default() -> Self {
        let free = Arc::new(Semaphore::new(ROOM_BYTES));
        Self { free, line: Arc::default(), holders: Arc::default() }
    }
}

impl Room {
    /// Room for so many bytes, once there is some.
    pub(super) async fn take(self, bytes: usize) -> Held {
        let bytes = bytes.min(ROOM_BYTES) as u32;
        let _first = self.line.lock().await;
        let mut taking = pin!(self.free.clone().acquire_many_owned(bytes));
        let permit = loop {
            match timeout(LOOK, taking.as_mut()).await {
                Ok(permit) => break permit.ok(),
                Err(_) => self.show_out(bytes),
            }
        };
        let mut holders = lock(&self.holders);
        let (number, shown_out) = (holders.next, Arc::new(Notify::new()));
        holders.next += 1;
        let holder = Holder { bytes, since: Instant::now(), shown_out: shown_out.clone() };
        holders.held.insert(number, holder);
        Held { holders: self.holders.clone(), number, bytes, shown_out, _permit: permit }
    }

    /// Asks the oldest to make way, until so much will come free.
    fn show_out(&self, wanted: u32) {
        let holders = &mut *lock(&self.holders);
        while holders.leaving < wanted
            && let Some(oldest) = holders.held.first_entry()
            && oldest.get().since.elapsed() >= PATIENCE
        {
            let oldest = oldest.remove();
            holders.leaving += oldest.bytes;
            oldest.shown_out.notify_one();
        }
    }
}

/// Some of the room; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Held {
    holders: Arc<Mutex<Holders>>,
    number: u64,
    bytes: u32,
    shown_out: Arc<Notify>,
    /// There is one: the semaphore is never closed.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Ready when another needs the room.
    pub(super) async fn makes_way(&self) {
        self.shown_out.notified().await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut holders = lock(&self.holders);
        if holders.held.remove(&self.number).is_none() {
            holders.leaving -= self.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: usize = ROOM_BYTES / 2;

    fn asked(held: &Held) -> bool {
        !lock(&held.holders).held.contains_key(&held.number)
    }

    #[tokio::test]
    async fn the_oldest_make_way_for_who_waits_and_nobody_for_who_need_not() {
        let room = Room::default();
        let first = room.clone().take(HALF).await;
        let second = room.clone().take(HALF).await;
        let (third, ()) = tokio::join!(room.clone().take(HALF), async {
            first.makes_way().await;
            drop(first);
        });
        assert!(!asked(&second), "one was enough");
        let (all, ()) = tokio::join!(room.clone().take(10 * ROOM_BYTES), async {
            tokio::join!(second.makes_way(), third.makes_way());
            drop((second, third));
        });
        assert_eq!(room.free.available_permits(), 0);
        drop(all);
        assert_eq!(room.free.available_permits(), ROOM_BYTES);
        let holders = lock(&room.holders);
        assert!(holders.held.is_empty() && holders.leaving == 0);
    }

    /// However many wait, one makes way for each, and who has just come in has a second.
    #[tokio::test]
    async fn only_the_first_in_line_asks_and_only_who_has_had_a_second() {
        let room = Room::default();
        let old = room.clone().take(HALF).await;
        let other = room.clone().take(HALF).await;
        let waits = |ms: u64| {
            let room = room.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                room.take(HALF).await
            })
        };
        let waiting = [0, 300, 600].map(waits);
        tokio::time::sleep(Duration::from_millis(1_700)).await;
        assert!(asked(&old) && !asked(&other), "one place was wanted by the first in line");
        drop(old);
        let [first, second, third] = waiting;
        let first = first.await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!asked(&first), "it has just come");
        other.makes_way().await;
        drop(other);
        let second = second.await.unwrap();
        drop((first, second));
        assert_eq!(third.await.unwrap().bytes as usize, HALF);
    }
}
