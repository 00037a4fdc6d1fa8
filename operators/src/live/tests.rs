//! Live states: what is put out when, against a table and a naive loop.

use crate::{Change, EventTime, Flow, Shown, Step, TestJob, Timestamp, Unset, ms, secs};
use expect_test::expect;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Key, event time, value.
type Fix = (u8, i64, u8);

fn latest(flow: &Flow) {
    let event_time = EventTime::by(|fix: &Fix| Timestamp(fix.1)).out_of_order(ms(5));
    flow.source("fixes", Unset, event_time)
        .key_by(|fix| fix.0)
        .live("latest", |latest: &mut u8, fix| *latest = fix.2)
        .expire_after(ms(20))
        .sink("changes", Unset);
}

fn latest_in_order(flow: &Flow) {
    let event_time = EventTime::by(|fix: &Fix| Timestamp(fix.1)).out_of_order(ms(5));
    flow.source("fixes", Unset, event_time)
        .key_by(|fix| fix.0)
        .ordered("order")
        .live("latest", |latest: &mut u8, fix| *latest = fix.2)
        .expire_after(ms(20))
        .sink("changes", Unset);
}

fn fix(key: u8, at: i64, value: u8) -> Step<Fix> {
    (key, at, value).into()
}

#[test]
fn a_change_comes_out_only_when_the_state_differs() {
    let steps = [
        fix(1, 0, 7),
        fix(1, 1, 7), // the same
        fix(2, 2, 0), // the same as the state of a new key: nothing to tell
        fix(1, 3, 8),
        fix(3, 28, 9), // the watermark is 23: key 1 was silent for twenty since 3
        fix(1, 29, 0),
        fix(1, 30, 8),
    ];
    let expected = expect![[r#"
        [
            "1 = 7",
            "1 = 8",
            "1 gone",
            "1 = 8",
            "1 gone",
            "2 gone",
            "3 = 9",
            "3 gone",
        ]
    "#]];
    let mut told = told(&TestJob::new(latest).input("fixes", steps));
    told.sort_by_key(|line| line.as_bytes()[0]); // keys among themselves have no order
    expected.assert_debug_eq(&told);
}

fn told(job: &TestJob) -> Vec<String> {
    let told = |change| match change {
        Change::Upsert { key, state } => format!("{key} = {state}"),
        Change::Remove { key } => format!("{key} gone"),
    };
    job.output::<Change<u8, u8>>("changes").into_iter().map(told).collect()
}

#[test]
fn expire_after_stands_behind_live_only() {
    let misplaced = |flow: &Flow| {
        flow.source("fixes", Unset, EventTime::by(|fix: &Fix| Timestamp(fix.1)))
            .key_by(|fix| fix.0)
            .live("latest", |latest: &mut u8, fix| *latest = fix.2)
            .filter(|_| true)
            .expire_after(ms(20))
            .sink("changes", Unset);
    };
    let error = TestJob::new(misplaced).input("fixes", [fix(1, 0, 7)]).run().unwrap_err();
    expect!["expire_after stands where nothing can expire"].assert_eq(&error.to_string());
    assert_eq!(error.hint.as_deref(), Some("put it directly behind live"));
}

#[test]
fn a_view_of_changes_is_the_table_of_states() {
    let shown = |flow: &Flow| {
        flow.source("fixes", Unset, EventTime::by(|fix: &Fix| Timestamp(fix.1)))
            .key_by(|fix| fix.0)
            .live("latest", |latest: &mut u8, fix| *latest = fix.2)
            .expire_after(ms(20))
            .view("latest", Change::shown);
    };
    let steps = [fix(1, 0, 7), fix(2, 1, 8), Step::Advance(ms(1)), Step::Crash, fix(2, 3, 9)];
    let outputs = TestJob::new(shown).input("fixes", steps).run().unwrap();
    assert_eq!(outputs.view("latest"), BTreeMap::new(), "the input has ended: all are gone");
}

#[test]
fn a_restart_shows_nothing_that_was_not_shown() {
    // Rows by what was told, so that what is removed later can be seen too.
    fn told(change: &Change<u8, u8>) -> Shown {
        match change {
            Change::Upsert { key, state } => Shown::Row(format!("{key} = {state}")),
            Change::Remove { key } => Shown::Row(format!("{key} gone")),
        }
    }
    let build = |flow: &Flow| {
        let fixes = flow
            .source("fixes", Unset, EventTime::by(|fix: &Fix| Timestamp(fix.1)))
            .key_by(|fix| fix.0);
        fixes.clone().live("latest", |latest, fix| *latest = fix.2).view("latest", told);
        fixes.clone().live_if("never", |_: &mut u8, _| false).view("never", told);
        let expiring = fixes.live("expiring", |latest: &mut u8, fix| *latest = fix.2);
        expiring.expire_after(ms(20)).view("expiring", told);
    };
    let before = [
        fix(1, 0, 0), // the state of a new key: nothing to tell
        fix(2, 1, 7),
        fix(3, 30, 9),
        fix(2, 31, 0), // key 2 was gone, and is there as a new key is
        Step::Advance(secs(1)),
    ];
    let shown = |steps: Vec<Step<Fix>>| {
        let outputs = TestJob::new(build).input("fixes", steps).run().unwrap();
        ["latest", "never", "expiring"].map(|view| outputs.view(view).into_keys().collect())
    };
    let undisturbed: [Vec<String>; 3] = shown(before.to_vec());
    assert_eq!(undisturbed[0], ["2 = 0", "2 = 7", "3 = 9"]);
    assert_eq!(shown([&before[..], &[Step::Crash]].concat()), undisturbed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// The changes of each key, in order, against a loop; also when read in larger batches and
    /// with crashes.
    #[test]
    fn tells_what_a_naive_loop_tells(
        fixes in proptest::collection::vec((0u8..4, 0i64..15, 0u8..3), 1..60),
    ) {
        let mut now = 0;
        let fixes = fixes.into_iter().map(|(key, step, value)| {
            now += step;
            (key, now - i64::from(value) * 4, value)
        });
        let fixes: Vec<Fix> = fixes.collect();
        let job = TestJob::new(latest).input("fixes", fixes.clone());

        let mut naive = Naive::default();
        let mut watermark = i64::MIN;
        for fix in fixes {
            naive.take(fix, watermark);
            watermark = watermark.max(fix.1 - 5);
            naive.expire(fix.0, watermark); // an event too old to keep its key
        }
        prop_assert_eq!(by_key(&job), naive.end());
        job.workers([1, 2]).simulate(2).unwrap();
    }

    /// The same behind `ordered`, where each event comes with the watermark at its own time.
    #[test]
    fn tells_what_a_naive_loop_tells_in_order(
        fixes in proptest::collection::vec((0u8..4, 0i64..15, 0u8..3), 1..60),
    ) {
        let mut now = 0;
        let fixes = fixes.into_iter().map(|(key, step, value)| {
            now += step;
            (key, now - i64::from(value) * 2, value) // never late
        });
        let mut fixes: Vec<Fix> = fixes.collect();
        let job = TestJob::new(latest_in_order).input("fixes", fixes.clone());
        fixes.sort_by_key(|fix| fix.1);
        let mut naive = Naive::default();
        fixes.into_iter().for_each(|fix| naive.take(fix, fix.1));
        prop_assert_eq!(by_key(&job), naive.end());
        job.workers([1, 2]).simulate(2).unwrap();
    }
}

/// States in a map that is searched, and what was told of each key.
#[derive(Default)]
struct Naive {
    states: BTreeMap<u8, (u8, i64)>,
    told: BTreeMap<u8, Vec<String>>,
}

impl Naive {
    fn take(&mut self, (key, time, value): Fix, watermark: i64) {
        self.expire(key, watermark);
        let (state, due) = self.states.entry(key).or_insert((0, i64::MIN));
        if *state != value {
            self.told.entry(key).or_default().push(format!("{key} = {value}"));
        }
        (*state, *due) = (value, (*due).max(time + 20));
    }

    fn expire(&mut self, key: u8, watermark: i64) {
        if self.states.get(&key).is_some_and(|(_, due)| *due <= watermark) {
            self.told.entry(key).or_default().push(format!("{key} gone"));
            self.states.remove(&key);
        }
    }

    fn end(mut self) -> BTreeMap<u8, Vec<String>> {
        for key in 0..4 {
            self.expire(key, i64::MAX);
        }
        self.told
    }
}

fn by_key(job: &TestJob) -> BTreeMap<u8, Vec<String>> {
    let mut found = BTreeMap::<u8, Vec<String>>::new();
    for line in told(job) {
        found.entry(line.as_bytes()[0] - b'0').or_default().push(line);
    }
    found
}
