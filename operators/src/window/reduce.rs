//! Reduces the events of each window to one of their kind.

use super::assign::{FixedWindows, Session};
use super::pane::Pane;
use super::windowed::Windowed;
use crate::stream::Stream;
use waystream_engine::event::Data;
use waystream_engine::key::Key;

impl<K: Key, T: Data, W: FixedWindows> Windowed<K, T, W> {
    /// Reduces the events of each key and window to one: it begins as the first of them, and `take`
    /// changes it by each other. Events need not come in order of event time.
    ///
    /// ```
    /// use waystream_operators::{EventTime, Flow, Pane, TestJob, Timestamp, Tumbling, Unset, ms};
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("bids", Unset, EventTime::by(|bid: &(i64, u32)| Timestamp(bid.0)))
    ///         .key_by(|_| 1u8)
    ///         .window(Tumbling::of(ms(10)))
    ///         .reduce("highest", |best, bid| if bid.1 > best.1 { *best = *bid })
    ///         .sink("highest", Unset);
    /// }
    ///
    /// let bids = TestJob::new(build).input("bids", [(1i64, 3u32), (4, 7), (9, 5)]).run().unwrap();
    /// let highest: Vec<Pane<u8, (i64, u32)>> = bids.output("highest");
    /// assert_eq!(highest[0].value, (4, 7));
    /// ```
    pub fn reduce(self, name: &str, take: impl Fn(&mut T, &T) + 'static) -> Stream<Pane<K, T>> {
        let panes = self.fill(name, || None, move |one, event| add(one, event, &take));
        panes.flat_map(filled)
    }
}

impl<K: Key, T: Data> Windowed<K, T, Session> {
    /// Reduces the events of each key and session to one: it begins as the first of them, and
    /// `take` changes it by each other, and by that of a later session that has become one with it.
    ///
    /// ```
    /// use waystream_operators::{EventTime, Flow, Pane, Session, TestJob, Timestamp, Unset, ms};
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("bids", Unset, EventTime::by(|bid: &(i64, u32)| Timestamp(bid.0)))
    ///         .key_by(|_| 1u8)
    ///         .window(Session::gap(ms(10)))
    ///         .reduce("highest", |best, bid| if bid.1 > best.1 { *best = *bid })
    ///         .sink("highest", Unset);
    /// }
    ///
    /// let bids = TestJob::new(build).input("bids", [(1i64, 3u32), (9, 7), (30, 5)]).run().unwrap();
    /// let highest: Vec<Pane<u8, (i64, u32)>> = bids.output("highest");
    /// assert_eq!([highest[0].value, highest[1].value], [(9, 7), (30, 5)]);
    /// ```
    pub fn reduce(self, name: &str, take: impl Fn(&mut T, &T) + 'static) -> Stream<Pane<K, T>> {
        let take = std::rc::Rc::new(take);
        let merge = std::rc::Rc::clone(&take);
        let panes = self.fill_sessions(
            name,
            || None,
            move |one, event| add(one, event, &*take),
            move |one, later: Option<T>| later.iter().for_each(|later| add(one, later, &*merge)),
        );
        panes.flat_map(filled)
    }
}

fn add<T: Clone>(one: &mut Option<T>, event: &T, take: &impl Fn(&mut T, &T)) {
    match one {
        Some(one) => take(one, event),
        None => *one = Some(event.clone()),
    }
}

/// A window that yields has had an event.
fn filled<K, T>(pane: Pane<K, Option<T>>) -> Option<Pane<K, T>> {
    let Pane { key, start, end, value } = pane;
    value.map(|value| Pane { key, start, end, value })
}

#[cfg(test)]
mod tests {
    use crate::window::times::{At, run, said, times};
    use crate::{Flow, Pane, Session, Tumbling, Unset, ms};
    use expect_test::expect;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn latest(one: &mut At, other: &At) {
        if other.1 > one.1 {
            *one = *other;
        }
    }

    fn tumbling(flow: &Flow) {
        times(flow, ms(200))
            .window(Tumbling::of(ms(10)))
            .late("late", Unset)
            .reduce("latest", latest)
            .sink("panes", Unset);
    }

    fn sessions(flow: &Flow) {
        times(flow, ms(50))
            .window(Session::gap(ms(10)))
            .late("late", Unset)
            .reduce("latest", latest)
            .sink("panes", Unset);
    }

    #[test]
    fn each_window_begins_with_its_first_event() {
        let given = [('a', 3), ('a', 9), ('b', 7), ('a', 4), ('a', 12)];
        expect![[r#"
            a 0..10: ('a', 9)
            a 10..20: ('a', 12)
            b 0..10: ('b', 7)
            late []
        "#]]
        .assert_eq(&said::<At>(&run(tumbling, &given)));
        let given = [('a', 0), ('a', 16), ('a', 8), ('b', 16)];
        expect![[r#"
            a 0..26: ('a', 16)
            b 16..26: ('b', 16)
            late []
        "#]]
        .assert_eq(&said::<At>(&run(sessions, &given)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Against the list of each window.
        #[test]
        fn is_what_the_list_of_each_window_gives(given in proptest::collection::vec(0i64..100, 1..40)) {
            let mut naive = BTreeMap::new();
            for at in &given {
                let highest = naive.entry(at - at % 10).or_insert(*at);
                *highest = (*highest).max(*at);
            }
            let given: Vec<At> = given.into_iter().map(|at| ('a', at)).collect();
            let mut panes: Vec<Pane<char, At>> = run(tumbling, &given).output("panes");
            panes.sort_by_key(|pane| pane.start);
            let found: Vec<_> = panes.iter().map(|pane| (pane.start.0, pane.value.1)).collect();
            prop_assert_eq!(found, naive.into_iter().collect::<Vec<_>>());
        }
    }
}
