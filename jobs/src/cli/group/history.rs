//! What becomes of a job whose processes have ended: whether it is done, has failed for good, or is
//! started again, and how long after.

use super::attempt::{Ended, Ending};
use super::channel::Failed;
use std::time::Duration;
use waystream_engine::error::ErrorKind;

/// The first and the longest wait before a start; it doubles in between.
const WAITS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];
/// The longest wait after a start that has brought the job further.
const LONGEST_ON_THE_WAY: Duration = Duration::from_secs(1);
/// A job that has run for so long is sound: the next wait is the first again.
const HEALTHY_MS: i64 = 60_000;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Done,
    Failed(Failed),
    /// Start again after this time.
    Again(Duration, Failed),
}

/// The starts so far.
#[derive(Debug)]
pub(super) struct History {
    limit: u32,
    has_begun: bool,
    epoch: Option<u64>,
    /// Starts in a row that have brought no epoch further.
    in_vain: u32,
    wait: Duration,
    last: Option<Failed>,
}

impl History {
    /// No start yet. At most `limit` in a row may bring the job no further.
    pub(super) fn new(limit: u32) -> Self {
        let (has_begun, epoch, in_vain, last) = Default::default();
        Self { limit, has_begun, epoch, in_vain, wait: WAITS[0], last }
    }

    /// Whether any start has taken the job over.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Decides after a start has ended.
    pub(super) fn judge(&mut self, ended: &Ended) -> Verdict {
        let began_before = self.has_begun;
        self.has_begun |= ended.has_begun;
        let failed = cause(&ended.endings);
        let is_early = ended.is_stopping && !ended.has_begun && failed.kind == ErrorKind::Lost;
        if ended.endings.first() == Some(&Ending::Well) || is_early {
            return Verdict::Done;
        }
        let got_on = ended.epoch > self.epoch;
        self.epoch = self.epoch.max(ended.epoch);
        self.in_vain = if got_on { 1 } else { self.in_vain + 1 };
        if ended.healthy_ms >= HEALTHY_MS {
            self.wait = WAITS[0];
        }
        let again = self.last.as_ref().is_some_and(|last| last.what == failed.what);
        let is_final = match failed.kind {
            ErrorKind::Usage | ErrorKind::Data | ErrorKind::Configuration => true,
            ErrorKind::Lost => false,
            ErrorKind::Failed => again,
            ErrorKind::Checkpoint => again && !got_on || !(began_before || ended.has_begun),
            ErrorKind::Unavailable => !(began_before || ended.has_begun),
        };
        if is_final || ended.is_stopping {
            return Verdict::Failed(failed);
        }
        if self.in_vain > self.limit {
            let hint = format!(
                "started {} times without a new checkpoint: the limit is --restart-limit",
                self.in_vain
            );
            return Verdict::Failed(Failed { hint: Some(hint), ..failed });
        }
        let wait = if got_on { self.wait.min(LONGEST_ON_THE_WAY) } else { self.wait };
        self.wait = (2 * wait).min(WAITS[1]);
        self.last = Some(failed.clone());
        Verdict::Again(wait, failed)
    }
}

/// Why a start has ended: what a process says, process 0 first, before what was done to one, and that
/// before what others saw of it.
fn cause(endings: &[Ending]) -> Failed {
    let said = |is_wanted: fn(&Failed) -> bool| {
        endings.iter().find_map(|ending| match ending {
            Ending::Failed(failed) if is_wanted(failed) => Some(failed.clone()),
            _ => None,
        })
    };
    let lost = |what: String| {
        let hint = "the same command goes on from the last checkpoint".to_owned();
        Failed { kind: ErrorKind::Lost, what, hint: Some(hint), is_told: false }
    };
    let done_to = endings.iter().enumerate().find_map(|(index, ending)| match ending {
        Ending::Signal(signal) => {
            Some(lost(format!("process {index} was ended by signal {signal}")))
        }
        Ending::Code(code) => {
            let what = format!("process {index} ended with code {code}");
            let kind = if *code == 70 { ErrorKind::Failed } else { ErrorKind::Lost };
            Some(Failed { kind, ..lost(what) })
        }
        _ => None,
    });
    said(|failed| failed.kind != ErrorKind::Lost)
        .or(done_to)
        .or_else(|| said(|_| true))
        .unwrap_or_else(|| lost("a process ended without a word".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: ErrorKind, what: &str) -> Ending {
        Ending::Failed(Failed { kind, what: what.to_owned(), hint: None, is_told: false })
    }

    fn ended(endings: &[Ending], epoch: u64) -> Ended {
        Ended {
            endings: endings.to_vec(),
            has_begun: epoch > 0,
            epoch: Some(epoch).filter(|epoch| *epoch > 0),
            ..Ended::default()
        }
    }

    fn waits(verdict: &Verdict) -> Option<u128> {
        match verdict {
            Verdict::Again(wait, _) => Some(wait.as_millis()),
            _ => None,
        }
    }

    #[test]
    fn waits_double_to_ten_seconds_and_begin_anew_after_a_minute() {
        let mut history = History::new(100);
        let killed = [said(ErrorKind::Lost, "process 1 is lost"), Ending::Signal(9)];
        let mut wait =
            |healthy_ms| waits(&history.judge(&Ended { healthy_ms, ..ended(&killed, 3) })).unwrap();
        let first: Vec<_> = (0..9).map(|_| wait(1000)).collect();
        assert_eq!(first, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!((wait(60_000), wait(0)), (100, 200));
        let on_the_way: Vec<_> =
            (4..12).map(|epoch| waits(&history.judge(&ended(&killed, epoch))).unwrap()).collect();
        assert_eq!(on_the_way, [400, 800, 1000, 1000, 1000, 1000, 1000, 1000]);
    }

    #[test]
    fn starts_in_vain_are_limited_and_progress_counts_anew() {
        let mut history = History::new(2);
        let killed = [Ending::Signal(9), Ending::Ended];
        for epoch in [5, 5, 6, 6] {
            let Verdict::Again(_, failed) = history.judge(&ended(&killed, epoch)) else {
                panic!("the limit is not reached")
            };
            assert_eq!(failed.what, "process 0 was ended by signal 9");
        }
        let Verdict::Failed(failed) = history.judge(&ended(&killed, 6)) else {
            panic!("that was the third")
        };
        assert!(failed.hint.unwrap().contains("3 times"));
    }

    #[test]
    fn what_a_start_cannot_mend_ends_the_job() {
        use ErrorKind::{Checkpoint, Configuration, Data, Failed, Lost, Unavailable, Usage};
        let verdicts = |kind, has_begun: u64, whats: [&str; 2]| {
            let mut history = History::new(20);
            whats.map(|what| {
                let endings = [said(Lost, "lost"), said(kind, what)];
                waits(&history.judge(&ended(&endings, has_begun))).is_some()
            })
        };
        for kind in [Usage, Data, Configuration] {
            assert!(!verdicts(kind, 1, ["a", "b"])[0], "{kind:?}");
        }
        assert_eq!(verdicts(Failed, 1, ["a", "b"]), [true, true]);
        assert_eq!(verdicts(Failed, 1, ["a", "a"]), [true, false]);
        assert_eq!(verdicts(Unavailable, 1, ["a", "a"]), [true, true]);
        assert!(!verdicts(Unavailable, 0, ["a", "a"])[0], "it never began");
        assert_eq!(verdicts(Checkpoint, 1, ["a", "a"]), [true, false]);
        assert!(!verdicts(Checkpoint, 0, ["a", "a"])[0], "it never began");
    }

    #[test]
    fn a_job_is_done_when_process_0_is_and_a_stop_is_not_undone() {
        let mut history = History::new(20);
        assert_eq!(history.judge(&ended(&[Ending::Well, Ending::Signal(9)], 1)), Verdict::Done);
        let killed = ended(&[Ending::Signal(9), Ending::Ended], 1);
        let stopping = Ended { is_stopping: true, ..killed };
        assert!(matches!(history.judge(&stopping), Verdict::Failed(_)));
        let early = Ended { has_begun: false, ..stopping };
        assert_eq!(history.judge(&early), Verdict::Done, "nothing had begun");
    }
}
