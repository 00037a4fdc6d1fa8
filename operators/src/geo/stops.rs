//! Stops: staying near one place for long enough, with one anchor per key.

use super::distance::haversine_m;
use super::moving::Moving;
use crate::keyed::Keyed;
use crate::stream::Stream;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use waystream_engine::error::Result;
use waystream_engine::event::{Data, Event};
use waystream_engine::key::{Key, PerKey};
use waystream_engine::operator::{Due, Operator, Scope};
use waystream_engine::time::{Timestamp, millis};

/// A stop that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// Event time of the first position, epoch milliseconds.
    pub start_ms: i64,
    /// Event time of the last position, epoch milliseconds.
    pub end_ms: i64,
    /// Positions.
    pub n: u64,
    /// First position, degrees north.
    pub anchor_lat: f64,
    /// First position, degrees east.
    pub anchor_lon: f64,
    /// Mean of the positions, degrees north.
    pub mean_lat: f64,
    /// Mean of the positions, degrees east.
    pub mean_lon: f64,
}

/// Positions near the first of them, the anchor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Run {
    start_ms: i64,
    end_ms: i64,
    n: u64,
    anchor: (f64, f64),
    sum: (f64, f64),
}

impl Run {
    fn begin(at_ms: i64, at: (f64, f64)) -> Self {
        Self { start_ms: at_ms, end_ms: at_ms, n: 1, anchor: at, sum: at }
    }

    fn join(&mut self, at_ms: i64, at: (f64, f64)) {
        self.end_ms = at_ms;
        self.n += 1;
        self.sum = (self.sum.0 + at.0, self.sum.1 + at.1);
    }

    fn stop(&self, least_ms: i64) -> Option<Stop> {
        let n = self.n as f64;
        (self.end_ms.saturating_sub(self.start_ms) >= least_ms).then_some(Stop {
            start_ms: self.start_ms,
            end_ms: self.end_ms,
            n: self.n,
            anchor_lat: self.anchor.0,
            anchor_lon: self.anchor.1,
            mean_lat: self.sum.0 / n,
            mean_lon: self.sum.1 / n,
        })
    }
}

impl<K: Key, T: Data + Moving> Keyed<K, T> {
    /// Finds stops: positions within `radius_m` metres of the first of them, over at least `least`.
    /// The first position beyond ends the run and anchors the next; silences do not. Needs the
    /// positions of a key in event-time order ([`Keyed::ordered`]). Costs the same for every
    /// position, however long a stop is.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use waystream_operators::{EventTime, Flow, Moving, Stop, TestJob, Timestamp, Unset, secs};
    ///
    /// #[derive(Clone, Serialize, Deserialize)]
    /// struct Fix { at: i64, lat: f64 }
    /// impl Moving for Fix { fn lat_lon(&self) -> (f64, f64) { (self.lat, 0.0) } }
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("fixes", Unset, EventTime::by(|fix: &Fix| Timestamp(fix.at)))
    ///         .key_by(|_| 1u8)
    ///         .stops("stops", 100.0, secs(60))
    ///         .sink("stops", Unset);
    /// }
    ///
    /// let fixes = [(0, 0.0), (70_000, 0.0001), (80_000, 1.0)].map(|(at, lat)| Fix { at, lat });
    /// let stops = TestJob::new(build).input("fixes", fixes).run().unwrap();
    /// let stops: Vec<(u8, Stop)> = stops.output("stops");
    /// assert_eq!((stops.len(), stops[0].1.n), (1, 2));
    /// ```
    pub fn stops(self, name: &str, radius_m: f64, least: Duration) -> Stream<(K, Stop)> {
        self.operator(name, Stops { radius_m, least_ms: millis(least) })
    }
}

struct Stops {
    radius_m: f64,
    least_ms: i64,
}

impl Stops {
    /// Takes the next position; a stop comes out if it ends one.
    fn observe(&self, run: &mut Option<Run>, at_ms: i64, at: (f64, f64)) -> Option<Stop> {
        match run {
            Some(run) if haversine_m(run.anchor, at) <= self.radius_m => {
                run.join(at_ms, at);
                None
            }
            _ => run.replace(Run::begin(at_ms, at)).and_then(|run| run.stop(self.least_ms)),
        }
    }
}

impl<K: Key, T: Data + Moving> Operator<K, T> for Stops {
    type Address = PerKey<K>;
    type State = Option<Run>;
    type Output = (K, Stop);

    fn schema(&self) -> String {
        "stops v1".to_owned()
    }

    fn on_event(
        &mut self,
        key: K,
        event: Event<T>,
        scope: &mut Scope<'_, PerKey<K>, Option<Run>, (K, Stop), T>,
    ) -> Result<()> {
        let slot = scope.slot_of(key.clone(), || None)?;
        let stop = self.observe(scope.state(slot)?, event.time.0, event.value.lat_lon());
        if let Some(stop) = stop {
            scope.emit(event.with((key, stop)));
        }
        scope.wake_at(slot, Some(Timestamp::MAX))
    }

    /// The end of a bounded input ends the run.
    fn on_timer(
        &mut self,
        slot: u32,
        _due: Due,
        scope: &mut Scope<'_, PerKey<K>, Option<Run>, (K, Stop), T>,
    ) -> Result<()> {
        let entry = scope.table.write(slot)?;
        let key = entry.address.0.clone();
        if let Some(stop) = entry.state.take().and_then(|run| run.stop(self.least_ms)) {
            scope.emit_at(Timestamp(stop.end_ms), (key, stop));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against scanning the whole list.
        #[test]
        fn are_what_scanning_the_list_gives(steps in proptest::collection::vec((0i64..8, 0u8..4), 1..60)) {
            let operator = Stops { radius_m: 1000.0, least_ms: 10 };
            let mut at_ms = 0;
            let fixes: Vec<_> = steps.iter()
                .map(|(step, place)| { at_ms += step; (at_ms, (f64::from(*place) * 0.008, 0.0)) })
                .collect();
            let mut run = None;
            let mut found: Vec<_> = fixes.iter().filter_map(|(at, place)| operator.observe(&mut run, *at, *place)).collect();
            found.extend(run.take().and_then(|run| run.stop(10)));
            let mut naive = vec![];
            let mut from = 0;
            while from < fixes.len() {
                let near = fixes[from..].iter().take_while(|fix| haversine_m(fixes[from].1, fix.1) <= 1000.0).count();
                let last = from + near - 1;
                if fixes[last].0 - fixes[from].0 >= 10 {
                    naive.push((fixes[from].0, fixes[last].0, near as u64));
                }
                from += near;
            }
            let found: Vec<_> = found.iter().map(|s| (s.start_ms, s.end_ms, s.n)).collect();
            prop_assert_eq!(found, naive);
        }
    }
}
