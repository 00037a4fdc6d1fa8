//! Operators of one's own: state, both clocks, and crashes between setting and firing.

use crate::Step::{self, Advance, Crash, Watermark};
use crate::{Due, Event, EventTime, Flow, JobError, Operator, Scope, TestJob, Timestamp};
use crate::{Unset, ms, secs};
use expect_test::expect;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

/// What to do with the timers of a key.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Order {
    /// Wake it after so many milliseconds of event time.
    Wake(u8),
    /// Wake it after so many seconds of processing time.
    Ring(u8),
    Cancel,
    Silence,
    Remove,
}
use Order::{Cancel, Remove, Ring, Silence, Wake};

/// Key, event time in milliseconds, and what to do.
type Command = (u8, i64, Order);

/// Does with its timers what it is told, and says when they fire and after how many commands.
struct Obedient;

impl Operator for Obedient {
    type Key = u8;
    type Record = Command;
    type State = u32;
    type Output = String;

    fn on_event(&mut self, n: &mut u32, event: Event<Command>, scope: &mut Scope<Self>) {
        if event.is_late(0) {
            return scope.late(event);
        }
        *n += 1;
        match event.value.2 {
            Wake(after_ms) => scope.wake_at(event.time.after(ms(after_ms.into()))),
            Ring(after_s) => scope.wake_at_clock(scope.now().after(secs(after_s.into()))),
            Cancel => scope.cancel_wake(),
            Silence => scope.cancel_wake_clock(),
            Remove => scope.remove(),
        }
    }

    fn on_timer(&mut self, n: &mut u32, due: Due, scope: &mut Scope<Self>) {
        let key = *scope.key();
        match due {
            Due::Event(at) => {
                assert!(at <= scope.watermark());
                scope.emit(woken(key, at.0, *n));
            }
            Due::Clock(at) => {
                scope.emit(format!("{key} rang {} ms on, after {n}", at.since_ms(BEGAN)));
            }
        }
    }
}

/// Where the clock of a test begins.
const BEGAN: Timestamp = Timestamp(1_700_000_000_000);

fn woken(key: u8, at: i64, n: u32) -> String {
    format!("{key} woke at {at}, after {n}")
}

fn obedient(flow: &Flow) {
    flow.source("orders", Unset, EventTime::by(|order: &Command| Timestamp(order.1)))
        .key_by(|order| order.0)
        .late("late", Unset)
        .process("obedient", Obedient)
        .sink("rows", Unset);
}

fn command(key: u8, at: i64, order: Order) -> Step<Command> {
    (key, at, order).into()
}

fn told(steps: impl IntoIterator<Item = Step<Command>>) -> Vec<String> {
    TestJob::new(obedient).input("orders", steps).output("rows")
}

#[test]
fn timers_of_both_clocks_fire_when_their_clock_says_so() {
    let steps = [
        command(1, 0, Ring(10)),
        Advance(secs(9)),
        command(1, 5, Wake(60)),
        command(2, 6, Ring(10)),
        Advance(secs(1)), // key 1's ten seconds are over
        command(2, 7, Wake(50)),
        Advance(secs(9)), // key 2's are
        Watermark(Timestamp(57)),
        Advance(secs(0)),
        Watermark(Timestamp(70)),
        command(1, 72, Wake(9)),
    ];
    let expected = expect![[r#"
        [
            "1 rang 10000 ms on, after 2",
            "2 rang 19000 ms on, after 2",
            "2 woke at 57, after 2",
            "1 woke at 65, after 2",
            "1 woke at 81, after 3",
        ]
    "#]];
    expected.assert_debug_eq(&told(steps));
}

#[test]
fn a_crash_between_setting_and_firing_loses_no_timer() {
    let (ring, wake) = (command(1, 0, Ring(10)), command(1, 1, Wake(60)));
    let (four, six) = (|| Advance(secs(4)), || Advance(secs(6)));
    let calm = told([ring.clone(), four(), six(), wake.clone()]);
    assert_eq!(calm, ["1 rang 10000 ms on, after 1", "1 woke at 61, after 2"]);
    // Killed with the timer in a checkpoint, and with the command not yet in any.
    assert_eq!(told([ring.clone(), four(), Crash, six(), wake.clone()]), calm);
    assert_eq!(told([ring.clone(), Crash, four(), six(), wake.clone()]), calm);
    assert_eq!(told([ring, four(), six(), Crash, wake, Crash]), calm);
}

#[test]
fn a_processing_time_timer_that_was_taken_back_does_not_fire() {
    for between in [Crash, Advance(secs(1))] {
        let steps = [
            command(1, 0, Ring(10)),
            command(2, 1, Ring(10)),
            Advance(secs(4)),
            between,
            command(1, 2, Silence),
            Advance(secs(7)),
            command(3, 3, Cancel),
        ];
        assert_eq!(told(steps).len(), 1, "only key 2 rings");
    }
}

#[test]
fn jobs_with_processing_time_can_be_simulated() {
    let steps = (0..40).flat_map(|i| {
        let pause = if i % 4 == 3 { secs(7) } else { secs(0) };
        let order = if i % 3 == 0 { Wake(60) } else { Ring(10) };
        [command(i % 5, i64::from(i) * 9, order), Advance(pause)]
    });
    TestJob::new(obedient).input("orders", steps).workers([1, 2, 3]).simulate(30).unwrap();
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
            let order = match what {
                -2 => Remove,
                -1 => Cancel,
                after_ms => Wake(after_ms.unsigned_abs()),
            };
            (key, at - i64::from(step == 8) * 3, order)
        });
        let orders: Vec<Command> = orders.collect();
        let job = TestJob::new(obedient).input("orders", orders.clone());
        let outputs = job.run().unwrap();

        let mut keys = BTreeMap::<u8, (u32, Option<i64>)>::new();
        let (mut rows, mut late) = (vec![], 0);
        let mut watermark = i64::MIN;
        for (key, time, order) in orders {
            if time < watermark {
                late += 1;
                keys.entry(key).or_default();
            } else {
                let (n, due) = keys.entry(key).or_default();
                *n += 1;
                match order {
                    Remove => drop(keys.remove(&key)),
                    Cancel => *due = None,
                    Wake(after_ms) => *due = Some(time + i64::from(after_ms)),
                    Ring(_) | Silence => unreachable!("no clock goes on here"),
                }
            }
            watermark = watermark.max(time);
            fire(&mut keys, watermark, &mut rows);
        }
        fire(&mut keys, i64::MAX, &mut rows);
        let mut found: Vec<String> = outputs.output("rows");
        found.sort_unstable();
        rows.sort_unstable();
        prop_assert_eq!(found, rows);
        let counted = outputs.metrics().operator("obedient");
        prop_assert_eq!(counted.late.load(Relaxed), late);
        prop_assert_eq!(outputs.output::<Command>("late").len() as u64, late);
    }
}

fn fire(keys: &mut BTreeMap<u8, (u32, Option<i64>)>, watermark: i64, rows: &mut Vec<String>) {
    for (key, (n, due)) in keys {
        if let Some(at) = due.take_if(|at| *at <= watermark) {
            rows.push(woken(*key, at, *n));
        }
    }
}

/// User, event time in milliseconds.
type Note = (u8, i64);

fn note(user: u8, at: i64) -> Step<Note> {
    (user, at).into()
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
        let (time, now_ms) = (event.time, scope.now().since_ms(BEGAN));
        scope.emit(format!("{} at {time}, clock {now_ms}", event.value));
    }
}

#[test]
fn what_a_timer_puts_out_has_its_time_or_that_of_the_latest_event() {
    let build = |flow: &Flow| {
        let event_time = EventTime::by(|order: &Command| Timestamp(order.1)).out_of_order(ms(1));
        flow.source("orders", Unset, event_time)
            .key_by(|order| order.0)
            .process("obedient", Obedient)
            .key_by(|_| true)
            .process("stamps", Stamps)
            .sink("out", Unset);
    };
    let orders = [command(1, 4, Ring(10)), command(1, 3, Wake(60))];
    let steps = orders.into_iter().chain([Advance(secs(10)), Watermark(Timestamp(80))]);
    let stamps = TestJob::new(build).input("orders", steps).output::<String>("out");
    let expected = expect![[r#"
        [
            "1 rang 10000 ms on, after 2 at 4, clock 10000",
            "1 woke at 63, after 2 at 63, clock 10000",
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
