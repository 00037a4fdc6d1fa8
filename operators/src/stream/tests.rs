//! Tables of the stateless operators: what goes in, what comes out.

use crate::Step::{self, Crash, Idle, Watermark};
use crate::{EventTime, Flow, Stream, TestJob, Timestamp, Unset};
use expect_test::{Expect, expect};
use std::cell::Cell;
use std::rc::Rc;
use waystream_engine::event::Data;

fn numbers(flow: &Flow, name: &str) -> Stream<i64> {
    flow.source(name, Unset, EventTime::by(|number: &i64| Timestamp(*number)))
}

/// Runs the numbers 1 to 6, with a crash in their middle, through what `declare` makes.
fn check<T: Data + std::fmt::Debug>(
    declare: impl Fn(Stream<i64>) -> Stream<T> + Send + Sync + 'static,
    expected: &Expect,
) {
    let build = move |flow: &Flow| declare(numbers(flow, "numbers")).sink("out", Unset);
    let job = TestJob::new(build).input("numbers", 1..=3i64).crash().input("numbers", 4..=6i64);
    expected.assert_eq(&format!("{:?}", job.output::<T>("out")));
}

#[test]
fn map_turns_each_record_into_another() {
    check(
        |numbers| numbers.map(|n| format!("{n}!")),
        &expect![[r#"["1!", "2!", "3!", "4!", "5!", "6!"]"#]],
    );
}

#[test]
fn filter_keeps_what_it_is_told_to() {
    check(|numbers| numbers.filter(|n| n % 2 == 0), &expect!["[2, 4, 6]"]);
    check(|numbers| numbers.filter(|_| false), &expect!["[]"]);
}

#[test]
fn filter_map_does_both() {
    check(
        |numbers| numbers.filter_map(|n| (n > 4).then(|| n as f32 / 2.0)),
        &expect!["[2.5, 3.0]"],
    );
}

#[test]
fn flat_map_gives_any_number_in_order() {
    check(
        |numbers| numbers.flat_map(|n| (0..n % 3).map(move |i| (n, i))),
        &expect!["[(1, 0), (2, 0), (2, 1), (4, 0), (5, 0), (5, 1)]"],
    );
}

#[test]
fn inspect_sees_everything_and_changes_nothing() {
    check(
        |numbers| {
            let seen = Rc::new(Cell::new(0));
            let last = Rc::clone(&seen);
            let looked = numbers.inspect(move |event| seen.set(event.time.0));
            looked.map(move |n| (n, last.get() >= n))
        },
        &expect!["[(1, true), (2, true), (3, true), (4, true), (5, true), (6, true)]"],
    );
}

#[test]
fn split_sends_each_record_one_way() {
    check(
        |numbers| {
            let (small, large) = numbers.split(|n| *n < 4);
            small.map(|n| -n).merge(large.map(|n| n * 10))
        },
        &expect!["[-1, -2, -3, 40, 50, 60]"],
    );
}

#[test]
fn clones_read_the_same_records() {
    check(
        |numbers| numbers.clone().filter(|n| *n == 2).merge(numbers.filter(|n| *n == 2)),
        &expect!["[2, 2]"],
    );
}

#[test]
fn key_by_brings_the_records_of_a_key_together() {
    let build = |flow: &Flow| {
        numbers(flow, "numbers")
            .key_by(|n| n % 3)
            .stateful("sums", |sum: &mut i64, n| {
                *sum += n;
                Some((n % 3, *sum))
            })
            .sink("out", Unset);
    };
    let mut sums: Vec<(i64, i64)> =
        TestJob::new(build).input("numbers", 1..=6i64).workers([3]).output("out");
    sums.sort_unstable();
    expect!["[(0, 3), (0, 9), (1, 1), (1, 5), (2, 2), (2, 7)]"].assert_eq(&format!("{sums:?}"));
}

#[test]
fn merge_has_the_lesser_watermark_of_both() {
    let build = |flow: &Flow| {
        let merged = numbers(flow, "left").merge(numbers(flow, "right"));
        let ordered = merged.key_by(|_| 0u8).ordered("order");
        ordered.stateful("log", |_: &mut (), n| Some(n)).sink("out", Unset);
    };
    let left: [Step<i64>; 3] = [1.into(), 5.into(), 9.into()];
    // When the left has ended the right still holds 5 and 9 back, until it says that it will not.
    let right = [Step::Record(2i64), Crash, Idle, Step::Record(4), Idle, Watermark(Timestamp(8))];
    let right = right.into_iter().chain([Idle, Step::Record(8), Step::Record(7)]);
    let job = TestJob::new(build).input("left", left).input("right", right);
    let outputs = job.run().unwrap();
    expect!["[1, 2, 4, 5, 8, 9]"].assert_eq(&format!("{:?}", outputs.output::<i64>("out")));
    let late = outputs.metrics().operator("order").late.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!((late, outputs.starts()), (1, 2));
}

#[test]
fn a_sink_is_known_by_its_name() {
    let build = |flow: &Flow| {
        let numbers = numbers(flow, "numbers");
        numbers.clone().sink("out", Unset);
        numbers.map(|n| n + 1).sink("out", Unset);
    };
    let error = TestJob::new(build).input("numbers", [1i64]).run().unwrap_err();
    expect!["two sinks are named `out`"].assert_eq(&error.to_string());
}
