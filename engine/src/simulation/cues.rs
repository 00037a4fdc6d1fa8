//! What a script asks of the world it is played in: to kill the job, to move the clock, to wait
//! until nothing else moves. Remembered across restarts of the job.

use crate::clock::ManualClock;
use crate::time::millis;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A step of a script: source, partition, number of the step.
type Place = (String, u16, usize);

/// What the scripts of one job ask for; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Cues(Arc<Mutex<Asked>>);

#[derive(Debug, Default)]
struct Asked {
    /// Steps that are over: they do nothing when they are played again.
    passed: BTreeSet<Place>,
    /// Steps that readers stand at.
    waiting: BTreeMap<Place, Cue>,
    crash: bool,
    clock_is_held: bool,
}

/// Why a reader stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cue {
    /// Until the clock has been moved and what follows from that is done.
    Advance(Duration),
    /// Until what follows from the moved clock is done.
    Moved,
    /// Until everybody else has come to rest.
    Idle,
}

impl Cues {
    /// Whether the job is to be killed now; asking clears it.
    pub(super) fn take_crash(&self) -> bool {
        std::mem::take(&mut self.lock().crash)
    }

    /// Whether a script moves the clock, so that it stands still otherwise.
    pub(super) fn clock_is_held(&self) -> bool {
        self.lock().clock_is_held
    }

    /// Whether a reader waits for the others to come to rest.
    pub(super) fn is_waiting(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// Everybody has come to rest: does the next thing that a reader waits for.
    pub(super) fn release(&self, clock: &ManualClock) {
        let mut asked = self.lock();
        let find = |wanted: fn(&Cue) -> bool| {
            let found = asked.waiting.iter().find(|(_, cue)| wanted(cue));
            found.map(|(place, cue)| (place.clone(), *cue))
        };
        let next = find(|cue| *cue == Cue::Moved)
            .or_else(|| find(|cue| matches!(cue, Cue::Advance(_))))
            .or_else(|| find(|cue| *cue == Cue::Idle));
        let Some((place, cue)) = next else { return };
        if let Cue::Advance(by) = cue {
            clock.advance_ms(millis(by));
            asked.waiting.insert(place.clone(), Cue::Moved);
        } else {
            asked.waiting.remove(&place);
        }
        asked.passed.insert(place);
    }

    /// The job is started anew, and its readers come to their steps again; what follows from a
    /// moved clock is still to be waited for.
    pub(super) fn restart(&self) {
        self.lock().waiting.retain(|_, cue| *cue == Cue::Moved);
    }

    pub(super) fn hold_clock(&self) {
        self.lock().clock_is_held = true;
    }

    /// Has the job killed the first time it comes here; returns whether it is.
    pub(super) fn crash(&self, place: Place) -> bool {
        let mut asked = self.lock();
        let first = asked.passed.insert(place);
        asked.crash |= first;
        first
    }

    /// Whether the reader that stands here may go on.
    pub(super) fn advance(&self, place: Place, by: Duration) -> bool {
        self.wait(place, Cue::Advance(by))
    }

    /// Whether the reader that stands here may go on.
    pub(super) fn idle(&self, place: Place) -> bool {
        self.wait(place, Cue::Idle)
    }

    fn wait(&self, place: Place, cue: Cue) -> bool {
        let mut asked = self.lock();
        if asked.waiting.contains_key(&place) {
            return false;
        }
        if asked.passed.contains(&place) {
            return true;
        }
        asked.waiting.insert(place, cue);
        false
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
