//! Operators of one's own: state, both clocks, and crashes between setting and firing.

use crate::Step::{self, Advance, Crash, Watermark};
use crate::{Due, Event, EventTime, Flow, JobError, Operator, Scope, TestJob, Timestamp};
use crate::{Unset, ms, secs};
use expect_test::expect;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

/// User, event time in milliseconds.
type Note = (u8, i64);

/// Collects the notes of a user for ten seconds of processing time, then sends them in one letter;
/// forgets a user who has been silent for a minute of event time.
struct Digest;

impl Operator for Digest {
    type Key = u8;
    type Record = Note;
    type State = Vec<i64>;
    type Output = String;

    fn on_event(&mut self, waiting: &mut Vec<i64>, note: Event<Note>, scope: &mut Scope<Self>) {
        if waiting.is_empty() {
            scope.wake_at_clock(scope.now().after(secs(10)));
        }
        waiting.push(note.value.1);
        scope.wake_at(note.time.after(secs(60)));
    }

    fn on_timer(&mut self, waiting: &mut Vec<i64>, due: Due, scope: &mut Scope<Self>) {
        match due {
            Due::Clock(_) => {
                let letter = format!("to {}: {:?}", scope.key(), std::mem::take(waiting));
                scope.emit(letter);
            }
            Due::Event(at) => {
                scope.emit(format!("{} left at {at} with {waiting:?}", scope.key()));
                scope.remove();
            }
        }
    }
}

fn digest(flow: &Flow) {
    flow.source("notes", Unset, EventTime::by(|note: &Note| Timestamp(note.1)))
        .key_by(|note| note.0)
        .process("digest", Digest)
        .sink("letters", Unset);
}

fn note(user: u8, at: i64) -> Step<Note> {
    (user, at).into()
}

fn letters(steps: impl IntoIterator<Item = Step<Note>>) -> Vec<String> {
    TestJob::new(digest).input("notes", steps).output("letters")
}

#[test]
fn timers_of_both_clocks_fire_when_their_clock_says_so() {
    let steps = [
        note(1, 0),
        Advance(secs(9)),
        note(1, 5),
        note(2, 6),
        Advance(secs(1)), // user 1's ten seconds are over
        note(1, 70),
        Advance(secs(10)), // both are
        Watermark(Timestamp(60_006)),
        Advance(secs(0)),
        Watermark(Timestamp(90_000)),
        note(1, 95_000),
    ];
    let expected = expect![[r#"
        [
            "to 1: [0, 5]",
            "to 1: [70]",
            "to 2: [6]",
            "2 left at 60006 with []",
            "1 left at 60070 with []",
            "1 left at 155000 with [95000]",
        ]
    "#]];
    let mut letters = letters(steps);
    letters[1..3].sort(); // timers that come due together fire in no particular order of keys
    expected.assert_debug_eq(&letters);
}

#[test]
fn a_crash_between_setting_and_firing_loses_no_timer() {
    let calm = letters([note(1, 0), Advance(secs(4)), Advance(secs(6)), note(1, 1)]);
    assert_eq!(calm, ["to 1: [0]", "1 left at 60001 with [1]"]);
    // Killed with the timer in a checkpoint, and with the note not yet in any.
    let kept = [note(1, 0), Advance(secs(4)), Crash, Advance(secs(6)), note(1, 1)];
    assert_eq!(letters(kept), calm);
    let replayed = [note(1, 0), Crash, Advance(secs(4)), Advance(secs(6)), note(1, 1)];
    assert_eq!(letters(replayed), calm);
    let after = [note(1, 0), Advance(secs(4)), Advance(secs(6)), Crash, note(1, 1), Crash];
    assert_eq!(letters(after), calm);
}

#[test]
fn jobs_with_processing_time_can_be_simulated() {
    let steps = (0..40).flat_map(|i| {
        let pause = if i % 4 == 3 { secs(7) } else { secs(0) };
        [note(i % 5, i64::from(i) * 9_000), Advance(pause)]
    });
    TestJob::new(digest).input("notes", steps).workers([1, 2, 3]).simulate(30).unwrap();
}

/// Sends a letter ten seconds after a note, unless another note takes that back.
struct Undo;

impl Operator for Undo {
    type Key = u8;
    type Record = Note;
    type State = bool;
    type Output = u8;

    fn on_event(&mut self, waits: &mut bool, _: Event<Note>, scope: &mut Scope<Self>) {
        *waits = !*waits;
        match *waits {
            true => scope.wake_at_clock(scope.now().after(secs(10))),
            false => scope.cancel_wake_clock(),
        }
    }

    fn on_timer(&mut self, waits: &mut bool, _: Due, scope: &mut Scope<Self>) {
        *waits = false;
        scope.emit(*scope.key());
    }
}

#[test]
fn a_processing_time_timer_that_was_taken_back_does_not_fire() {
    let build = |flow: &Flow| {
        flow.source("notes", Unset, EventTime::by(|note: &Note| Timestamp(note.1)))
            .key_by(|note| note.0)
            .process("undo", Undo)
            .sink("letters", Unset);
    };
    let steps = |between: Step<Note>| {
        [
            note(1, 0),
            note(2, 1),
            Advance(secs(4)),
            between,
            note(1, 2),
            Advance(secs(7)),
            note(3, 3),
        ]
    };
    for between in [Crash, Advance(secs(1))] {
        let letters = TestJob::new(build).input("notes", steps(between)).output::<u8>("letters");
        assert_eq!(letters, [2]);
    }
}

/// Cancels, moves and removes at will: the record says what to do.
struct Obedient;

impl Operator for Obedient {
    type Key = u8;
    type Record = (u8, i64, i8);
    type State = u32;
    type Output = (u8, i64, u32);

    fn on_event(&mut self, n: &mut u32, event: Event<(u8, i64, i8)>, scope: &mut Scope<Self>) {
        if event.is_late(0) {
            return scope.late(event);
        }
        *n += 1;
        match event.value.2 {
            -2 => scope.remove(),
            -1 => scope.cancel_wake(),
            after => scope.wake_at(event.time.after(ms(after.unsigned_abs().into()))),
        }
    }

    fn on_timer(&mut self, n: &mut u32, due: Due, scope: &mut Scope<Self>) {
        let Due::Event(at) = due else { return };
        assert!(at <= scope.watermark());
        scope.emit((*scope.key(), at.0, *n));
    }
}

fn obedient(flow: &Flow) {
    flow.source("orders", Unset, EventTime::by(|order: &(u8, i64, i8)| Timestamp(order.1)))
        .key_by(|order| order.0)
        .late("late", Unset)
        .process("obedient", Obedient)
        .sink("rows", Unset);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Against a map that is searched whole at every step.
    #[test]
    fn timers_do_what_a_naive_list_does(
        orders in proptest::collection::vec((0u8..4, 0i64..9, -2i8..30), 1..60),
    ) {
        let mut at = 0;
        let orders = orders.into_iter().map(|(key, step, what)| {
            at += step;
            (key, at - i64::from(step == 8) * 3, what)
        });
        let orders: Vec<(u8, i64, i8)> = orders.collect();
        let job = TestJob::new(obedient).input("orders", orders.clone());
        let outputs = job.run().unwrap();

        let mut keys = BTreeMap::<u8, (u32, Option<i64>)>::new();
        let (mut rows, mut late) = (vec![], vec![]);
        let mut watermark = i64::MIN;
        for (key, time, what) in orders {
            if time < watermark {
                late.push((key, time, what));
                keys.entry(key).or_default();
            } else {
                let (n, due) = keys.entry(key).or_default();
                *n += 1;
                match what {
                    -2 => drop(keys.remove(&key)),
                    -1 => *due = None,
                    after => *due = Some(time + i64::from(after)),
                }
            }
            watermark = watermark.max(time);
            fire(&mut keys, watermark, &mut rows);
        }
        fire(&mut keys, i64::MAX, &mut rows);
        let mut found: Vec<(u8, i64, u32)> = outputs.output("rows");
        found.sort_unstable();
        rows.sort_unstable();
        prop_assert_eq!(found, rows);
        let counted = outputs.metrics().operator("obedient");
        prop_assert_eq!(counted.late.load(Relaxed), late.len() as u64);
        prop_assert_eq!(outputs.output::<(u8, i64, i8)>("late"), late);
    }
}

fn fire(
    keys: &mut BTreeMap<u8, (u32, Option<i64>)>,
    watermark: i64,
    rows: &mut Vec<(u8, i64, u32)>,
) {
    for (key, (n, due)) in keys {
        if let Some(at) = due.take_if(|at| *at <= watermark) {
            rows.push((*key, at, *n));
        }
    }
}

/// Fails, and counts the watermarks it is told.
struct Strict;

impl Operator for Strict {
    type Key = u8;
    type Record = Note;
    type State = ();
    type Output = Note;

    fn on_event(&mut self, _: &mut (), note: Event<Note>, scope: &mut Scope<Self>) {
        if note.value.0 == 9 {
            scope.fail(JobError::failed("user 9 is not welcome"));
        }
        scope.emit(note.value);
    }
}

#[test]
fn an_error_stops_the_job_and_says_where() {
    let strict = |flow: &Flow| {
        flow.source("notes", Unset, EventTime::by(|note: &Note| Timestamp(note.1)))
            .key_by(|note| note.0)
            .process("door", Strict)
            .sink("inside", Unset);
    };
    let error = TestJob::new(strict).input("notes", [(1u8, 0i64), (9, 1)]).run().unwrap_err();
    expect!["operator door: user 9 is not welcome"].assert_eq(&error.to_string());
}

#[test]
fn the_watermark_is_told_once_it_has_done_its_work() {
    use std::sync::{Arc, Mutex};
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<String>>>);
    impl Operator for Told {
        type Key = u8;
        type Record = Note;
        type State = ();
        type Output = Note;
        fn on_event(&mut self, _: &mut (), note: Event<Note>, scope: &mut Scope<Self>) {
            scope.wake_at(note.time);
        }
        fn on_timer(&mut self, _: &mut (), due: Due, _: &mut Scope<Self>) {
            self.0.lock().unwrap().push(format!("{due:?}"));
        }
        fn on_watermark(&mut self, watermark: Timestamp) {
            self.0.lock().unwrap().push(format!("watermark {watermark}"));
        }
    }
    let told = Told::default();
    let operator = told.clone();
    let build = move |flow: &Flow| {
        flow.source("notes", Unset, EventTime::by(|note: &Note| Timestamp(note.1)))
            .key_by(|note| note.0)
            .process("told", operator.clone())
            .sink("none", Unset);
    };
    let steps = [note(1, 5), Advance(ms(1)), Watermark(Timestamp(8)), Advance(ms(1)), note(2, 9)];
    TestJob::new(build).input("notes", steps).run().unwrap();
    let expected = expect![[r#"
        [
            "Event(Timestamp(5))",
            "watermark 5",
            "watermark 8",
            "Event(Timestamp(9))",
            "watermark 9223372036854775807",
        ]
    "#]];
    expected.assert_debug_eq(&told.0.lock().unwrap());
}

/// Puts out the event time of what it is given, and the clock.
struct Stamps;

impl Operator for Stamps {
    type Key = bool;
    type Record = String;
    type State = ();
    type Output = String;

    fn on_event(&mut self, _: &mut (), event: Event<String>, scope: &mut Scope<Self>) {
        let began = Timestamp(1_700_000_000_000); // where the clock of a test begins
        let (time, now_ms) = (event.time, scope.now().since_ms(began));
        scope.emit(format!("{} at {time}, clock {now_ms}", event.value));
    }
}

#[test]
fn what_a_timer_puts_out_has_its_time_or_that_of_the_latest_event() {
    let build = |flow: &Flow| {
        flow.source("notes", Unset, EventTime::by(|note: &Note| Timestamp(note.1)))
            .key_by(|note| note.0)
            .process("digest", Digest)
            .key_by(|_| true)
            .process("stamps", Stamps)
            .sink("out", Unset);
    };
    let steps = [note(1, 4), note(1, 3), Advance(secs(10)), Watermark(Timestamp(80_000))];
    let stamps = TestJob::new(build).input("notes", steps).output::<String>("out");
    let expected = expect![[r#"
        [
            "to 1: [4, 3] at 4, clock 10000",
            "1 left at 60003 with [] at 60003, clock 10000",
        ]
    "#]];
    expected.assert_debug_eq(&stamps);
}

#[test]
fn an_event_sees_the_clock_of_its_own_moment() {
    let build = |flow: &Flow| {
        flow.source("notes", Unset, EventTime::by(|note: &Note| Timestamp(note.1)))
            .map(|note| note.0.to_string())
            .key_by(|_| true)
            .process("stamps", Stamps)
            .sink("out", Unset);
    };
    // A few milliseconds close no epoch, so nothing but the event itself wakes the operator.
    let steps = [note(1, 0), Advance(ms(3)), note(2, 1), Advance(ms(4)), note(3, 2)];
    let stamps = TestJob::new(build).input("notes", steps).output::<String>("out");
    let expected = expect![[r#"["1 at 0, clock 0", "2 at 1, clock 3", "3 at 2, clock 7"]"#]];
    expected.assert_eq(&format!("{stamps:?}"));
}
