//! Folds each window from a given beginning.

use super::assign::{FixedWindows, Session};
use super::pane::Pane;
use super::windowed::Windowed;
use crate::stream::Stream;
use waystream_engine::event::Data;
use waystream_engine::key::Key;

impl<K: Key, T: Data, W: FixedWindows> Windowed<K, T, W> {
    /// Folds the events of each key and window into a copy of `start`: [`aggregate`] for what has no
    /// default, or another one.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use waystream_operators::{EventTime, Flow, Pane, TestJob, Timestamp, Tumbling, Unset, ms};
    ///
    /// #[derive(Clone, Serialize, Deserialize)]
    /// struct Range { low: f64, high: f64 }
    /// impl Range {
    ///     const NOTHING: Self = Self { low: f64::INFINITY, high: f64::NEG_INFINITY };
    ///     fn add(&mut self, reading: &(i64, f64)) {
    ///         (self.low, self.high) = (self.low.min(reading.1), self.high.max(reading.1));
    ///     }
    /// }
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("readings", Unset, EventTime::by(|reading: &(i64, f64)| Timestamp(reading.0)))
    ///         .key_by(|_| 1u8)
    ///         .window(Tumbling::of(ms(10)))
    ///         .fold("range", Range::NOTHING, Range::add)
    ///         .sink("ranges", Unset);
    /// }
    ///
    /// let ranges = TestJob::new(build).input("readings", [(1i64, 3.0), (4, -2.0)]).run().unwrap();
    /// let ranges: Vec<Pane<u8, Range>> = ranges.output("ranges");
    /// assert_eq!((ranges[0].value.low, ranges[0].value.high), (-2.0, 3.0));
    /// ```
    ///
    /// [`aggregate`]: Self::aggregate
    pub fn fold<A: Data>(
        self,
        name: &str,
        start: A,
        add: impl Fn(&mut A, &T) + 'static,
    ) -> Stream<Pane<K, A>> {
        self.fill(name, move || start.clone(), add)
    }
}

impl<K: Key, T: Data> Windowed<K, T, Session> {
    /// Folds the events of each key and session into a copy of `start`; `merge` puts the later of
    /// two sessions that have become one into the earlier.
    ///
    /// ```
    /// use waystream_operators::{EventTime, Flow, Pane, Session, TestJob, Timestamp, Unset, ms};
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("readings", Unset, EventTime::by(|reading: &(i64, u32)| Timestamp(reading.0)))
    ///         .key_by(|_| 1u8)
    ///         .window(Session::gap(ms(10)))
    ///         .fold(
    ///             "lowest",
    ///             u32::MAX,
    ///             |lowest, reading| *lowest = (*lowest).min(reading.1),
    ///             |lowest, later| *lowest = (*lowest).min(later),
    ///         )
    ///         .sink("lowest", Unset);
    /// }
    ///
    /// let job = TestJob::new(build).input("readings", [(1i64, 7u32), (5, 3), (30, 5)]);
    /// let lowest = job.output::<Pane<u8, u32>>("lowest");
    /// assert_eq!([lowest[0].value, lowest[1].value], [3, 5]);
    /// ```
    pub fn fold<A: Data>(
        self,
        name: &str,
        start: A,
        add: impl Fn(&mut A, &T) + 'static,
        merge: impl Fn(&mut A, A) + 'static,
    ) -> Stream<Pane<K, A>> {
        self.fill_sessions(name, move || start.clone(), add, merge)
    }
}

#[cfg(test)]
mod tests {
    use crate::window::times::{At, run, said, times};
    use crate::{Flow, Pane, Session, Sliding, Unset, ms};
    use expect_test::expect;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Lowest and highest time; there is none at first.
    type Range = (i64, i64);
    const NOTHING: Range = (i64::MAX, i64::MIN);

    fn widen(range: &mut Range, at: &At) {
        *range = (range.0.min(at.1), range.1.max(at.1));
    }

    fn sliding(flow: &Flow) {
        times(flow, ms(200))
            .window(Sliding::of(ms(10), ms(5)))
            .late("late", Unset)
            .fold("range", NOTHING, widen)
            .sink("panes", Unset);
    }

    fn sessions(flow: &Flow) {
        times(flow, ms(50))
            .window(Session::gap(ms(10)))
            .late("late", Unset)
            .fold("range", NOTHING, widen, |range, later| {
                *range = (range.0.min(later.0), range.1.max(later.1));
            })
            .sink("panes", Unset);
    }

    #[test]
    fn each_window_begins_with_the_given_start() {
        let given = [('a', 3), ('a', 9), ('b', 7), ('a', 11)];
        expect![[r#"
            a -5..5: (3, 3)
            a 0..10: (3, 9)
            a 5..15: (9, 11)
            a 10..20: (11, 11)
            b 0..10: (7, 7)
            b 5..15: (7, 7)
            late []
        "#]]
        .assert_eq(&said::<Range>(&run(sliding, &given)));
        let given = [('a', 0), ('a', 16), ('a', 8), ('b', 16)];
        expect![[r#"
            a 0..26: (0, 16)
            b 16..26: (16, 16)
            late []
        "#]]
        .assert_eq(&said::<Range>(&run(sessions, &given)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Against the list of each window.
        #[test]
        fn is_what_the_list_of_each_window_gives(given in proptest::collection::vec(0i64..100, 1..40)) {
            let mut naive: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
            for at in &given {
                for start in (-10..100).step_by(5).filter(|start| *start <= *at && *at < start + 10) {
                    naive.entry(start).or_default().push(*at);
                }
            }
            let ranges = naive.into_iter().map(|(start, all)| {
                (start, (*all.iter().min().unwrap(), *all.iter().max().unwrap()))
            });
            let given: Vec<At> = given.into_iter().map(|at| ('a', at)).collect();
            let mut panes: Vec<Pane<char, Range>> = run(sliding, &given).output("panes");
            panes.sort_by_key(|pane| pane.start);
            let found: Vec<_> = panes.iter().map(|pane| (pane.start.0, pane.value)).collect();
            prop_assert_eq!(found, ranges.collect::<Vec<_>>());
        }
    }
}
