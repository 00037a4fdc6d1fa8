//! Aggregates each window into an accumulator that starts as its default.

use super::assign::{FixedWindows, Session};
use super::pane::Pane;
use super::windowed::Windowed;
use crate::stream::Stream;
use waystream_engine::event::Data;
use waystream_engine::key::Key;

impl<K: Key, T: Data, W: FixedWindows> Windowed<K, T, W> {
    /// Folds the events of each key and window into an `A`, which starts as its default. Its
    /// [`Pane`] comes out when the watermark reaches the window's end.
    ///
    /// State is one entry per key and window, so an event costs one entry for each window it is in.
    ///
    /// ```
    /// use waystream_operators::{EventTime, Flow, Pane, TestJob, Timestamp, Tumbling, Unset, ms};
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("clicks", Unset, EventTime::by(|click: &(u8, i64)| Timestamp(click.1)))
    ///         .key_by(|click| click.0)
    ///         .window(Tumbling::of(ms(10)))
    ///         .aggregate("counts", |count: &mut u64, _| *count += 1)
    ///         .sink("counts", Unset);
    /// }
    ///
    /// let counts = TestJob::new(build).input("clicks", [(1u8, 1i64), (1, 9), (1, 10)]).run().unwrap();
    /// let counts: Vec<Pane<u8, u64>> = counts.output("counts");
    /// assert_eq!(counts.iter().map(|p| (p.start.0, p.value)).collect::<Vec<_>>(), [(0, 2), (10, 1)]);
    /// ```
    pub fn aggregate<A: Data + Default>(
        self,
        name: &str,
        add: impl Fn(&mut A, &T) + 'static,
    ) -> Stream<Pane<K, A>> {
        self.fill(name, A::default, add)
    }
}

impl<K: Key, T: Data> Windowed<K, T, Session> {
    /// Folds the events of each key and session into an `A`, which starts as its default. An event
    /// may join two sessions to one: `merge` puts the accumulator of the later into that of the
    /// earlier.
    ///
    /// Events at most a gap apart are in one session. Its window reaches from its first event to a
    /// gap after its last; an event exactly at its end would still be in it. Its [`Pane`] comes out
    /// when the watermark has passed its end. A late event that joins a session that has come out
    /// updates it, or, if the session is open again, has it come out again when it ends. If it joins
    /// two sessions, one pane for both follows those of each.
    ///
    /// ```
    /// use waystream_operators::{EventTime, Flow, Pane, Session, TestJob, Timestamp, Unset, ms};
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("clicks", Unset, EventTime::by(|at: &i64| Timestamp(*at)).out_of_order(ms(50)))
    ///         .key_by(|_| 1u8)
    ///         .window(Session::gap(ms(10)))
    ///         .aggregate("visits", |clicks: &mut u64, _| *clicks += 1, |clicks, later| *clicks += later)
    ///         .sink("visits", Unset);
    /// }
    ///
    /// let visits = TestJob::new(build).input("clicks", [0i64, 16, 8, 40]).run().unwrap();
    /// let visits: Vec<Pane<u8, u64>> = visits.output("visits");
    /// let visits: Vec<_> = visits.iter().map(|p| (p.start.0, p.end.0, p.value)).collect();
    /// assert_eq!(visits, [(0, 26, 3), (40, 50, 1)]);
    /// ```
    pub fn aggregate<A: Data + Default>(
        self,
        name: &str,
        add: impl Fn(&mut A, &T) + 'static,
        merge: impl Fn(&mut A, A) + 'static,
    ) -> Stream<Pane<K, A>> {
        self.fill_sessions(name, A::default, add, merge)
    }
}

#[cfg(test)]
mod tests {
    use crate::window::times::{At, run, said, times};
    use crate::{Flow, Pane, Session, Sliding, TestJob, Tumbling, Unset, ms};
    use expect_test::expect;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn tumbling(flow: &Flow) {
        times(flow, Duration::ZERO)
            .window(Tumbling::of(ms(10)))
            .late("late", Unset)
            .aggregate("count", |count: &mut u64, _| *count += 1)
            .sink("panes", Unset);
    }

    fn sliding(flow: &Flow) {
        times(flow, ms(10))
            .window(Sliding::of(ms(20), ms(10)))
            .allowed_lateness(ms(15))
            .late("late", Unset)
            .aggregate("count", |count: &mut u64, _| *count += 1)
            .sink("panes", Unset);
    }

    fn sessions(flow: &Flow) {
        times(flow, ms(15))
            .window(Session::gap(ms(10)))
            .allowed_lateness(ms(20))
            .late("late", Unset)
            .aggregate("visits", push, |times, mut later| times.append(&mut later))
            .sink("panes", Unset);
    }

    fn push(times: &mut Vec<i64>, at: &At) {
        times.push(at.1);
    }

    #[test]
    fn an_event_counts_in_its_windows_unless_it_is_late() {
        let at = |times: &[i64]| times.iter().map(|time| ('a', *time)).collect::<Vec<_>>();
        expect![[r#"
            a 0..10: 2
            a 10..20: 1
            a 20..30: 1
            late [('a', 8), ('a', 11), ('a', -3)]
        "#]]
        .assert_eq(&said::<u64>(&run(tumbling, &at(&[1, 9, 12, 8, 25, 11, -3]))));
        expect![[r#"
            a -10..10: 2
            a 0..20: 3
            a 10..30: 1
            a 20..40: 2
            a 30..50: 1
            a 40..60: 1
            a 50..70: 1
            late [('a', 12)]
        "#]]
        .assert_eq(&said::<u64>(&run(sliding, &at(&[1, 12, 31, 8, 55, 12, 24]))));
    }

    #[test]
    fn sessions_of_keys_grow_join_and_end_for_themselves() {
        let given = [('a', 0), ('b', 3), ('a', 10), ('a', 25), ('a', 18), ('b', 40), ('a', 2)];
        expect![[r#"
            a 0..35: [0, 10, 18, 25]
            b 3..13: [3]
            b 40..50: [40]
            late [('a', 2)]
        "#]]
        .assert_eq(&said::<Vec<i64>>(&run(sessions, &given)));
    }

    #[test]
    fn windows_that_cannot_be_refuse_the_job() {
        let uneven = |flow: &Flow| {
            times(flow, Duration::ZERO)
                .window(Sliding::of(ms(25), ms(10)))
                .aggregate("count", |count: &mut u64, _| *count += 1)
                .sink("panes", Unset);
        };
        let error = TestJob::new(uneven).input("times", [('a', 1i64)]).run().unwrap_err();
        expect!["operator count: windows of 25ms cannot slide by 10ms, which does not divide them"]
            .assert_eq(&error.to_string());
    }

    #[test]
    fn crashes_change_no_pane() {
        let given = |i: i64| (char::from(b'a' + (i % 5) as u8), i * 7 - (i % 3) * 11);
        for build in [tumbling, sliding, sessions] {
            let job = TestJob::new(build).input("times", (0..150).map(given)).workers([1, 2, 3]);
            job.simulate(12).unwrap();
        }
    }

    /// Every event with what its partition had promised before it.
    fn promised(times: &[i64], out_of_order: i64) -> Vec<(i64, i64)> {
        let mut watermark = i64::MIN;
        let promise = |at: &i64| {
            let before = watermark;
            watermark = watermark.max(at - out_of_order);
            (*at, before)
        };
        times.iter().map(promise).collect()
    }

    fn last<A: Clone>(panes: &[Pane<char, A>]) -> BTreeMap<(char, i64), A> {
        panes.iter().map(|pane| ((pane.key, pane.start.0), pane.value.clone())).collect()
    }

    fn keyed(times: &[i64]) -> Vec<At> {
        times.iter().map(|at| (char::from(b'a' + (at % 3) as u8), *at)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// The last pane of every window, against counting the whole list; late is what its own
        /// partition had passed.
        #[test]
        fn sliding_counts_are_those_of_the_list(times in proptest::collection::vec(0i64..200, 1..80)) {
            let outputs = run(sliding, &keyed(&times));
            let (mut naive, mut late) = (BTreeMap::new(), vec![]);
            for ((key, at), (_, watermark)) in keyed(&times).into_iter().zip(promised(&times, 10)) {
                let starts = [at.div_euclid(10) * 10, at.div_euclid(10) * 10 - 10];
                let open: Vec<_> = starts.into_iter().filter(|start| start + 20 + 15 > watermark).collect();
                for start in &open {
                    *naive.entry((key, *start)).or_insert(0u64) += 1;
                }
                if open.is_empty() {
                    late.push((key, at));
                }
            }
            prop_assert_eq!(last(&outputs.output("panes")), naive);
            prop_assert_eq!(outputs.output::<At>("late"), late);
        }

        /// Every session of the list cut at its gaps comes out, and nothing else but its parts.
        #[test]
        fn sessions_are_those_of_the_list(times in proptest::collection::vec(0i64..200, 1..60)) {
            let outputs = run(sessions, &keyed(&times));
            let mut counted: BTreeMap<char, Vec<i64>> = BTreeMap::new();
            for ((key, at), (_, watermark)) in keyed(&times).into_iter().zip(promised(&times, 15)) {
                if at >= watermark.saturating_sub(20) {
                    counted.entry(key).or_default().push(at);
                }
            }
            let panes: Vec<Pane<char, Vec<i64>>> = outputs.output("panes");
            let panes: Vec<_> = panes.into_iter().map(|pane| {
                let mut times = pane.value;
                times.sort_unstable();
                (pane.key, times)
            }).collect();
            let mut whole = vec![];
            for (key, mut times) in counted {
                times.sort_unstable();
                whole.extend(times.chunk_by(|a, b| b - a <= 10).map(|piece| (key, piece.to_vec())));
            }
            for session in &whole {
                prop_assert!(panes.contains(session), "{:?} is not in {:?}", session, panes);
            }
            for (key, part) in &panes {
                let of = |(other, all): &(char, Vec<i64>)| other == key && part.iter().all(|at| all.contains(at));
                prop_assert!(whole.iter().any(of), "{:?} is in none of {:?}", part, whole);
            }
        }
    }
}
