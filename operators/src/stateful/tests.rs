//! A fold per key: a table, and folding each key's part of the input.

use crate::Step::{self, Advance, Crash};
use crate::{EventTime, Flow, TestJob, Timestamp, Unset, secs};
use expect_test::expect;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Account, event time, amount.
type Booking = (u8, i64, i32);

/// Puts out nothing, one row or two, as the fold says.
fn step(balance: &mut i32, (account, _, amount): Booking) -> Vec<(u8, String)> {
    let before = *balance;
    *balance = balance.wrapping_mul(3).wrapping_add(amount);
    let moved = (*balance != before).then(|| (account, format!("{before} -> {balance}")));
    let warned = (*balance < 0).then(|| (account, "below zero".to_owned()));
    moved.into_iter().chain(warned).collect()
}

fn balances(flow: &Flow) {
    flow.source("bookings", Unset, EventTime::by(|booking: &Booking| Timestamp(booking.1)))
        .key_by(|booking| booking.0)
        .stateful("balances", step)
        .sink("rows", Unset);
}

#[test]
fn state_outlives_a_crash_and_any_number_of_rows_comes_out() {
    let booking = |account, amount| -> Step<Booking> { (account, 0, amount).into() };
    let steps = [
        booking(1, 5),
        booking(2, 0),
        Advance(secs(1)), // what came before is in a checkpoint
        booking(1, -20),
        Crash,
        booking(1, 15),
        booking(2, 1),
    ];
    let rows = TestJob::new(balances).input("bookings", steps).output::<(u8, String)>("rows");
    let expected = expect![[r#"
        (1, "0 -> 5")
        (1, "5 -> -5")
        (1, "below zero")
        (1, "-5 -> 0")
        (2, "0 -> 1")
    "#]];
    let lines: String = rows.iter().map(|row| format!("{row:?}\n")).collect();
    expected.assert_eq(&lines);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn folds_what_a_naive_loop_folds(
        bookings in proptest::collection::vec((0u8..5, 0i64..9, -9i32..9), 1..60),
        crash_at in 0usize..60,
    ) {
        let (mut states, mut naive) = (BTreeMap::new(), vec![]);
        for booking in &bookings {
            naive.extend(step(states.entry(booking.0).or_insert(0), *booking));
        }
        let (before, after) = bookings.split_at(crash_at.min(bookings.len()));
        let job = TestJob::new(balances).input("bookings", before.to_vec()).crash();
        let job = job.input("bookings", after.to_vec());
        prop_assert_eq!(job.output::<(u8, String)>("rows"), naive);
    }
}
