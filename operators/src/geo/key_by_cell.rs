//! Keys a stream by the H3 cell of each record, for counting what is where.

use super::cell::{Cell, Resolution};
use super::position::Located;
use crate::keyed::Keyed;
use crate::stream::Stream;
use waystream_engine::event::Data;

impl<T: Data + Located> Stream<T> {
    /// Keys every record by the H3 cell it lies in; with a window behind it, an aggregate per cell
    /// and window.
    ///
    /// ```
    /// use waystream_operators::{
    ///     Cell, EventTime, Flow, Located, Pane, Position, Resolution, TestJob, Timestamp, Tumbling,
    ///     Unset, mins,
    /// };
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Clone, Serialize, Deserialize)]
    /// struct Fix { at: i64, place: Position }
    /// impl Located for Fix { fn position(&self) -> Position { self.place } }
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("fixes", Unset, EventTime::by(|fix: &Fix| Timestamp(fix.at)))
    ///         .key_by_cell(Resolution::new(8).unwrap())
    ///         .window(Tumbling::of(mins(1)))
    ///         .aggregate("cells", |count: &mut u64, _| *count += 1)
    ///         .sink("cells", Unset);
    /// }
    ///
    /// let fixes = [40.7, 40.7001, 41.0].map(|lat| Fix { at: 0, place: Position::clamped(lat, -74.0) });
    /// let cells: Vec<Pane<Cell, u64>> = TestJob::new(build).input("fixes", fixes).run().unwrap().output("cells");
    /// assert_eq!(cells.iter().map(|pane| pane.value).max(), Some(2));
    /// assert_eq!(cells.len(), 2);
    /// ```
    pub fn key_by_cell(self, resolution: Resolution) -> Keyed<Cell, T> {
        self.key_by(move |value| Cell::of(value.position(), resolution))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::fix::{Fix, fixes};
    use crate::{Flow, Pane, TestJob, Tumbling, Unset, ms};
    use expect_test::expect;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn resolution() -> Resolution {
        Resolution::new(5).unwrap()
    }

    fn build(flow: &Flow) {
        fixes(flow)
            .key_by_cell(resolution())
            .window(Tumbling::of(ms(10)))
            .aggregate("cells", |count: &mut u64, _| *count += 1)
            .sink("cells", Unset);
    }

    fn run(fixes: &[Fix]) -> Vec<Pane<Cell, u64>> {
        let job = TestJob::new(build).input("fixes", fixes.to_vec()).workers([2]);
        let mut panes: Vec<Pane<Cell, u64>> = job.run().unwrap().output("cells");
        panes.sort_by_key(|pane| (pane.start, pane.key));
        panes
    }

    #[test]
    fn counts_what_is_in_a_cell_for_the_length_of_a_window() {
        let fix = |at, lat, lon| Fix::new("", at, lat, lon);
        let fixes = [
            fix(0, 40.7, -74.0),
            fix(9, 40.71, -74.0),
            fix(10, 40.7, -74.0),
            fix(3, -33.9, 151.2),
            fix(12, 0.0, 180.0),
            fix(12, 0.0, -180.0),
        ];
        let line = |pane: Pane<Cell, u64>| format!("{} {}: {}\n", pane.start, pane.key, pane.value);
        expect![[r#"
            0 852a1073fffffff: 2
            0 85be0e37fffffff: 1
            10 852a1073fffffff: 1
            10 857eb573fffffff: 2
        "#]]
        .assert_eq(&run(&fixes).into_iter().map(line).collect::<String>());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// Against sorting the whole list into cells and windows.
        #[test]
        fn is_what_sorting_the_list_gives(
            fixes in proptest::collection::vec((0i64..10, -0.3f64..0.3, 179.8f64..180.2), 0..60),
        ) {
            let mut at = 0;
            let fixes: Vec<Fix> = fixes.into_iter().map(|(step, lat, lon)| {
                at += step;
                Fix::new("", at, lat, if lon > 180.0 { lon - 360.0 } else { lon })
            }).collect();
            let mut naive = BTreeMap::new();
            for Fix { at, place, .. } in &fixes {
                *naive.entry((at - at % 10, Cell::of(*place, resolution()))).or_insert(0u64) += 1;
            }
            let found: Vec<_> = run(&fixes).iter().map(|p| ((p.start.0, p.key), p.value)).collect();
            prop_assert_eq!(found, naive.into_iter().collect::<Vec<_>>());
        }
    }
}
