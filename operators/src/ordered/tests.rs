//! Order of event time: a table, and sorting the whole input.

use crate::Step::{self, Advance, Idle};
use crate::{EventTime, Flow, TestJob, Timestamp, Unset, ms, secs};
use expect_test::expect;
use proptest::prelude::*;
use std::sync::atomic::Ordering::Relaxed;

/// Key, event time.
type Fix = (u8, i64);

fn in_order(flow: &Flow) {
    let event_time = EventTime::by(|fix: &Fix| Timestamp(fix.1)).out_of_order(ms(5));
    flow.source("fixes", Unset, event_time.idle_after(secs(60)))
        .key_by(|fix| fix.0)
        .ordered("order")
        .stateful("log", |_: &mut (), fix| Some(fix))
        .sink("log", Unset);
}

fn fix(key: u8, at: i64) -> Step<Fix> {
    (key, at).into()
}

#[test]
fn an_event_waits_for_its_watermark_and_a_late_one_is_dropped() {
    let steps = [fix(1, 9), fix(1, 5), fix(2, 8), fix(1, 20), fix(1, 14), fix(2, 16), fix(2, 15)];
    let outputs = TestJob::new(in_order).input("fixes", steps).run().unwrap();
    let mut log = outputs.output::<Fix>("log");
    log.sort_by_key(|fix| fix.0); // keys among themselves have no order
    expect!["[(1, 5), (1, 9), (1, 20), (2, 8), (2, 15), (2, 16)]"].assert_eq(&format!("{log:?}"));
    assert_eq!(outputs.metrics().operator("order").late.load(Relaxed), 1);
}

#[test]
fn a_silent_partition_holds_the_others_back_until_it_is_idle() {
    let job = |pause| {
        let talks = [fix(1, 10), fix(1, 30), Advance(secs(pause)), fix(1, 40)];
        let silent = [fix(1, 5), Idle, fix(1, 6)];
        let job = TestJob::new(in_order).input_of_partition("fixes", 0, talks);
        job.input_of_partition("fixes", 1, silent).output::<Fix>("log")
    };
    // Partition 1 stands at 0 until it speaks again, so 6 comes in its place.
    expect!["[(1, 5), (1, 6), (1, 10), (1, 30), (1, 40)]"].assert_eq(&format!("{:?}", job(59)));
    // Nobody waits for it any more: the others have gone when 6 comes, which is not late, because
    // its own partition had promised nothing later.
    expect!["[(1, 5), (1, 10), (1, 30), (1, 40), (1, 6)]"].assert_eq(&format!("{:?}", job(60)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Each key's events against those of the input that are not late, sorted.
    #[test]
    fn gives_what_sorting_gives(fixes in proptest::collection::vec((0u8..3, 0i64..100), 1..80)) {
        let (mut naive, mut watermark) = (vec![], i64::MIN);
        for (place, (key, time)) in fixes.iter().enumerate() {
            if *time >= watermark {
                naive.push((*key, *time, place));
            }
            watermark = watermark.max(time - 5);
        }
        naive.sort_unstable();
        let mut found = TestJob::new(in_order).input("fixes", fixes).output::<Fix>("log");
        found.sort_by_key(|fix| fix.0);
        let naive: Vec<Fix> = naive.into_iter().map(|(key, time, _)| (key, time)).collect();
        prop_assert_eq!(found, naive);
    }
}
