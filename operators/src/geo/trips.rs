//! Trips: runs of positions without a longer silence in between.

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

/// A trip that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trip {
    /// Number of the trip of its key, from 0.
    pub trip: u64,
    /// Event time of the first position, epoch milliseconds.
    pub start_ms: i64,
    /// Event time of the last position, epoch milliseconds.
    pub end_ms: i64,
    /// Positions.
    pub n: u64,
    /// Length of the way in metres: haversine from each position to the next.
    pub distance_m: f64,
    /// Where it began, degrees north.
    pub start_lat: f64,
    /// Where it began, degrees east.
    pub start_lon: f64,
    /// Where it ended, degrees north.
    pub end_lat: f64,
    /// Where it ended, degrees east.
    pub end_lon: f64,
    /// Highest known speed, metres per second.
    pub max_speed: Option<f32>,
}

impl Trip {
    fn begin(trip: u64, at_ms: i64, position: &impl Moving) -> Self {
        let (lat, lon) = position.lat_lon();
        Self {
            trip,
            start_ms: at_ms,
            end_ms: at_ms,
            n: 1,
            distance_m: 0.0,
            start_lat: lat,
            start_lon: lon,
            end_lat: lat,
            end_lon: lon,
            max_speed: position.speed(),
        }
    }

    fn go_on(&mut self, at_ms: i64, position: &impl Moving) {
        let (lat, lon) = position.lat_lon();
        self.distance_m += haversine_m((self.end_lat, self.end_lon), (lat, lon));
        (self.end_ms, self.end_lat, self.end_lon) = (at_ms, lat, lon);
        self.n += 1;
        self.max_speed = match (self.max_speed, position.speed()) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
    }
}

/// What is kept of a key: how many trips have ended, and the one that goes on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Travelling {
    ended: u64,
    open: Option<Trip>,
}

impl Travelling {
    /// Takes the next position; a trip comes out if the silence before it was longer than the gap.
    fn observe(&mut self, at_ms: i64, position: &impl Moving, gap_ms: i64) -> Option<Trip> {
        let closed = match &self.open {
            Some(trip) if at_ms.saturating_sub(trip.end_ms) > gap_ms => self.close(),
            _ => None,
        };
        match &mut self.open {
            Some(trip) => trip.go_on(at_ms, position),
            None => self.open = Some(Trip::begin(self.ended, at_ms, position)),
        }
        closed
    }

    fn close(&mut self) -> Option<Trip> {
        self.ended += u64::from(self.open.is_some());
        self.open.take()
    }
}

impl<K: Key, T: Data + Moving> Keyed<K, T> {
    /// Cuts each key's positions into trips: a silence longer than `gap` ends one. Needs the
    /// positions of a key in event-time order ([`Keyed::ordered`]).
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use waystream_operators::{EventTime, Flow, Moving, TestJob, Timestamp, Trip, Unset, secs};
    ///
    /// #[derive(Clone, Serialize, Deserialize)]
    /// struct Fix { at: i64, lat: f64 }
    /// impl Moving for Fix { fn lat_lon(&self) -> (f64, f64) { (self.lat, 0.0) } }
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("fixes", Unset, EventTime::by(|fix: &Fix| Timestamp(fix.at)))
    ///         .key_by(|_| 1u8)
    ///         .trips("trips", secs(60))
    ///         .sink("trips", Unset);
    /// }
    ///
    /// let fixes = [0, 10_000, 90_000].map(|at| Fix { at, lat: 0.0 });
    /// let trips = TestJob::new(build).input("fixes", fixes).run().unwrap();
    /// let trips: Vec<(u8, Trip)> = trips.output("trips");
    /// assert_eq!(trips.iter().map(|(_, trip)| trip.n).collect::<Vec<_>>(), [2, 1]);
    /// ```
    pub fn trips(self, name: &str, gap: Duration) -> Stream<(K, Trip)> {
        self.operator(name, Trips { gap_ms: millis(gap) })
    }
}

struct Trips {
    gap_ms: i64,
}

impl<K: Key, T: Data + Moving> Operator<K, T> for Trips {
    type Address = PerKey<K>;
    type State = Travelling;
    type Output = (K, Trip);

    fn schema(&self) -> String {
        "trips v1".to_owned()
    }

    fn on_event(
        &mut self,
        key: K,
        event: Event<T>,
        scope: &mut Scope<'_, PerKey<K>, Travelling, (K, Trip), T>,
    ) -> Result<()> {
        let slot = scope.slot_of(key.clone(), Travelling::default)?;
        let closed = scope.state(slot)?.observe(event.time.0, &event.value, self.gap_ms);
        if let Some(trip) = closed {
            scope.emit(event.with((key, trip)));
        }
        let over = event.time.0.saturating_add(self.gap_ms).saturating_add(1);
        scope.wake_at(slot, Some(Timestamp(over)))
    }

    fn on_timer(
        &mut self,
        slot: u32,
        _due: Due,
        scope: &mut Scope<'_, PerKey<K>, Travelling, (K, Trip), T>,
    ) -> Result<()> {
        let entry = scope.table.write(slot)?;
        let key = entry.address.0.clone();
        if let Some(trip) = entry.state.close() {
            scope.emit_at(Timestamp(trip.end_ms), (key, trip));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct At(f64, f64);

    impl Moving for At {
        fn lat_lon(&self) -> (f64, f64) {
            (self.0, self.1)
        }
    }

    proptest! {
        /// Against cutting the whole list at its gaps.
        #[test]
        fn are_what_cutting_the_list_gives(steps in proptest::collection::vec((0i64..8, -1.0f64..1.0), 1..40)) {
            let mut at_ms = 0;
            let fixes: Vec<_> = steps.iter().map(|(step, lat)| { at_ms += step; (at_ms, *lat) }).collect();
            let mut state = Travelling::default();
            let mut found: Vec<_> = fixes.iter().filter_map(|(at, lat)| state.observe(*at, &At(*lat, 0.0), 5)).collect();
            found.extend(state.close());
            let cut: Vec<_> = fixes.chunk_by(|a, b| b.0 - a.0 <= 5).collect();
            prop_assert_eq!(found.len(), cut.len());
            for (number, (trip, run)) in found.iter().zip(cut).enumerate() {
                let length: f64 = run.windows(2).map(|w| haversine_m((w[0].1, 0.0), (w[1].1, 0.0))).sum();
                prop_assert_eq!((trip.trip, trip.n), (number as u64, run.len() as u64));
                prop_assert_eq!((trip.start_ms, trip.end_ms), (run[0].0, run[run.len() - 1].0));
                prop_assert!((trip.distance_m - length).abs() < 1e-6);
            }
        }
    }
}
