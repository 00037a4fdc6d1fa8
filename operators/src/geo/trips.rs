//! Trips: what lies between two long silences of an entity.

use super::position::{Located, Position};
use crate::keyed::Keyed;
use crate::stream::Stream;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use waystream_engine::error::Result;
use waystream_engine::event::{Data, Event};
use waystream_engine::key::{Key, PerKey};
use waystream_engine::operator::{Due, Operator, Scope};
use waystream_engine::time::{Timestamp, millis};

/// What has a position and may know its speed.
pub trait Moving: Located {
    /// Speed over ground in metres per second, if known.
    fn speed(&self) -> Option<f64> {
        None
    }
}

/// A finished trip of one entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trip {
    /// Number of the trip among those of its entity, from 0.
    pub trip: u64,
    /// Event time of the first position, milliseconds since 1970.
    pub start_ms: i64,
    /// Event time of the last position, milliseconds since 1970.
    pub end_ms: i64,
    /// Number of positions.
    pub n: u64,
    /// Sum of the great-circle distances between neighbouring positions, metres.
    pub distance_m: f64,
    /// Latitude of the first position, degrees.
    pub start_lat: f64,
    /// Longitude of the first position, degrees.
    pub start_lon: f64,
    /// Latitude of the last position, degrees.
    pub end_lat: f64,
    /// Longitude of the last position, degrees.
    pub end_lon: f64,
    /// The highest known speed, metres per second.
    pub max_speed: Option<f64>,
}

impl<K: Key, T: Data + Moving> Keyed<K, T> {
    /// Cuts the events of each key into trips: a new one begins when more than `gap` (strictly) has
    /// passed in event time since the event before.
    ///
    /// The events of a key must come in order of event time ([`Keyed::ordered`]). A trip comes out
    /// with its key and bears the event time `end + gap`, when a later event or the watermark shows
    /// that it is over, and at the end of input. Numbers go on where they were, so a key keeps a
    /// small state for ever. Events later than their own partition's watermark are counted as late
    /// and dropped: whether their trip is still open would depend on chance.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use waystream_operators::{
    ///     EventTime, Flow, Located, Moving, Position, TestJob, Timestamp, Trip, Unset, secs,
    /// };
    ///
    /// #[derive(Clone, Serialize, Deserialize)]
    /// struct Fix { at: i64, place: Position }
    /// impl Located for Fix { fn position(&self) -> Position { self.place } }
    /// impl Moving for Fix {}
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("fixes", Unset, EventTime::by(|fix: &Fix| Timestamp(fix.at)))
    ///         .key_by(|_| 1u8)
    ///         .trips("trips", secs(60))
    ///         .sink("trips", Unset);
    /// }
    ///
    /// let place = Position::new(53.5, 10.0).unwrap();
    /// let fixes = [0, 10_000, 90_000].map(|at| Fix { at, place });
    /// let trips = TestJob::new(build).input("fixes", fixes).run().unwrap();
    /// let trips: Vec<(u8, Trip)> = trips.output("trips");
    /// assert_eq!(trips.iter().map(|(_, trip)| trip.n).collect::<Vec<_>>(), [2, 1]);
    /// ```
    pub fn trips(self, name: &str, gap: Duration) -> Stream<(K, Trip)> {
        self.operator(name, Trips { gap_ms: millis(gap) })
    }
}

/// The open trip of an entity, and how many it has finished.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct TripState {
    finished: u64,
    open: Option<OpenTrip>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct OpenTrip {
    start_ms: i64,
    end_ms: i64,
    n: u64,
    distance_m: f64,
    start: Position,
    end: Position,
    max_speed: Option<f64>,
}

impl TripState {
    /// Takes the next position, and returns the trip before it if more than `gap_ms` have passed.
    fn observe(
        &mut self,
        time: Timestamp,
        position: Position,
        speed: Option<f64>,
        gap_ms: i64,
    ) -> Option<Trip> {
        let ended =
            self.open.as_ref().is_some_and(|open| time.since_ms(Timestamp(open.end_ms)) > gap_ms);
        let row = if ended { self.close() } else { None };
        match &mut self.open {
            Some(open) => {
                open.end_ms = open.end_ms.max(time.0);
                open.n += 1;
                open.distance_m += open.end.distance_m(position);
                open.end = position;
                open.max_speed = highest(open.max_speed, speed);
            }
            None => {
                self.open = Some(OpenTrip {
                    start_ms: time.0,
                    end_ms: time.0,
                    n: 1,
                    distance_m: 0.0,
                    start: position,
                    end: position,
                    max_speed: highest(None, speed),
                });
            }
        }
        row
    }

    /// Ends the open trip.
    fn close(&mut self) -> Option<Trip> {
        let open = self.open.take()?;
        let trip = self.finished;
        self.finished += 1;
        Some(Trip {
            trip,
            start_ms: open.start_ms,
            end_ms: open.end_ms,
            n: open.n,
            distance_m: open.distance_m,
            start_lat: open.start.lat(),
            start_lon: open.start.lon(),
            end_lat: open.end.lat(),
            end_lon: open.end.lon(),
            max_speed: open.max_speed,
        })
    }

    /// The event time of the last position of the open trip.
    fn last(&self) -> Option<Timestamp> {
        self.open.as_ref().map(|open| Timestamp(open.end_ms))
    }
}

fn highest(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    let known = b.filter(|speed| !speed.is_nan());
    a.map_or(known, |a| Some(known.map_or(a, |b| a.max(b))))
}

struct Trips {
    gap_ms: i64,
}

impl Trips {
    /// The last moment at which an event would still have continued the trip.
    fn closing_time(&self, end_ms: i64) -> Timestamp {
        Timestamp(end_ms.saturating_add(self.gap_ms))
    }
}

impl<K: Key, T: Data + Moving> Operator<K, T> for Trips {
    type Address = PerKey<K>;
    type State = TripState;
    type Output = (K, Trip);

    fn schema(&self) -> String {
        format!("trips v2, gap of {} ms", self.gap_ms)
    }

    fn on_event(
        &mut self,
        key: K,
        event: Event<T>,
        scope: &mut Scope<'_, PerKey<K>, TripState, (K, Trip), T>,
    ) -> Result<()> {
        if event.is_late(0) {
            scope.late(event);
            return Ok(());
        }
        let slot = scope.slot_of(key.clone(), TripState::default)?;
        let state = scope.state(slot)?;
        let (position, speed) = (event.value.position(), event.value.speed());
        let row = state.observe(event.time, position, speed, self.gap_ms);
        let last = state.last();
        if let Some(row) = row {
            scope.emit_at(self.closing_time(row.end_ms), (key, row));
        }
        let over = |last: Timestamp| Timestamp(self.closing_time(last.0).0.saturating_add(1));
        scope.wake_at(slot, last.map(over))
    }

    fn on_timer(
        &mut self,
        slot: u32,
        _due: Due,
        scope: &mut Scope<'_, PerKey<K>, TripState, (K, Trip), T>,
    ) -> Result<()> {
        let entry = scope.table.write(slot)?;
        let Some(row) = entry.state.close() else { return Ok(()) };
        let key = entry.address.0.clone();
        scope.emit_at(self.closing_time(row.end_ms), (key, row));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::fix::{Fix, fixes};
    use crate::{Flow, TestJob, Unset};
    use expect_test::expect;
    use proptest::prelude::*;
    use std::sync::atomic::Ordering::Relaxed;
    use waystream_engine::time::ms;

    type Ping = (i64, f64, f64, Option<f64>);

    fn run(pings: &[Ping], gap_ms: i64) -> Vec<Trip> {
        let mut state = TripState::default();
        let mut rows: Vec<_> = pings
            .iter()
            .filter_map(|(at, lat, lon, speed)| {
                let position = Position::new(*lat, *lon).unwrap();
                state.observe(Timestamp(*at), position, *speed, gap_ms)
            })
            .collect();
        rows.extend(state.close());
        assert_eq!((state.close(), state.last()), (None, None));
        rows
    }

    fn short(trips: &[Trip]) -> String {
        let line = |t: &Trip| {
            let Trip { trip, start_ms, end_ms, n, distance_m, max_speed, .. } = t;
            let ends = format!("({}, {}) ({}, {})", t.start_lat, t.start_lon, t.end_lat, t.end_lon);
            format!("{trip}: {start_ms}..{end_ms} n={n} {distance_m:.3} m {ends} {max_speed:?}\n")
        };
        trips.iter().map(line).collect()
    }

    #[test]
    fn a_gap_must_be_exceeded_to_split() {
        let pings = [
            (0, 0.0, 0.0, None),
            (300_000, 0.0, 0.001, Some(3.5)),
            (300_000, 0.0, 0.002, Some(2.5)),
            (600_001, 1.0, 0.0, None),
            (2_000_000, 1.0, 1.0, Some(f64::NAN)),
        ];
        expect![[r#"
            0: 0..300000 n=3 222.390 m (0, 0) (0, 0.002) Some(3.5)
            1: 600001..600001 n=1 0.000 m (1, 0) (1, 0) None
            2: 2000000..2000000 n=1 0.000 m (1, 1) (1, 1) None
        "#]]
        .assert_eq(&short(&run(&pings, 300_000)));
    }

    #[test]
    fn no_event_no_trip() {
        assert_eq!(run(&[], 1), []);
    }

    fn build(flow: &Flow) {
        fixes(flow).key_by(|fix| fix.key.clone()).trips("trips", ms(10)).sink("trips", Unset);
    }

    #[test]
    fn keys_travel_for_themselves_and_what_is_late_is_counted() {
        let fixes = [("a", 0), ("b", 5), ("a", 10), ("a", 21), ("b", 11), ("b", 60)];
        let fix = |(key, at): (&str, i64)| Fix::new(key, at, 0.0, 0.0);
        let outputs = TestJob::new(build).input("fixes", fixes.map(fix)).workers([2]).run();
        let outputs = outputs.unwrap();
        let mut trips: Vec<(String, Trip)> = outputs.output("trips");
        trips.sort_by_key(|(key, trip)| (key.clone(), trip.trip));
        let line = |(key, trip): (String, Trip)| format!("{key} {}", short(&[trip]));
        let late = outputs.metrics().operator("trips").late.load(Relaxed);
        expect![[r#"
            a 0: 0..10 n=2 0.000 m (0, 0) (0, 0) Some(1.25)
            a 1: 21..21 n=1 0.000 m (0, 0) (0, 0) Some(2.625)
            b 0: 5..5 n=1 0.000 m (0, 0) (0, 0) Some(0.625)
            b 1: 60..60 n=1 0.000 m (0, 0) (0, 0) Some(7.5)
            late 1
        "#]]
        .assert_eq(&(trips.into_iter().map(line).collect::<String>() + &format!("late {late}\n")));
    }

    /// Cuts the whole list first, then measures each piece.
    fn batch(pings: &[Ping], gap_ms: i64) -> Vec<Trip> {
        let pieces = pings.chunk_by(|a, b| b.0 - a.0 <= gap_ms).enumerate();
        let row = |(trip, piece): (usize, &[Ping])| {
            let place = |p: &Ping| Position::new(p.1, p.2).unwrap();
            let (first, last) = (piece[0], piece[piece.len() - 1]);
            Trip {
                trip: trip as u64,
                start_ms: first.0,
                end_ms: last.0,
                n: piece.len() as u64,
                distance_m: piece.windows(2).map(|w| place(&w[0]).distance_m(place(&w[1]))).sum(),
                start_lat: first.1,
                start_lon: first.2,
                end_lat: last.1,
                end_lon: last.2,
                max_speed: piece.iter().filter_map(|p| p.3).reduce(f64::max),
            }
        };
        pieces.map(row).collect()
    }

    proptest! {
        #[test]
        fn are_those_of_the_whole_list(
            mut pings in proptest::collection::vec(
                (-50i64..50, -90.0..90.0, -180.0..180.0, proptest::option::of(0.0..40.0)), 0..40,
            ),
            gap_ms in 0i64..6,
        ) {
            pings.sort_by_key(|ping| ping.0);
            prop_assert_eq!(run(&pings, gap_ms), batch(&pings, gap_ms));
        }
    }
}
