//! Stops: an entity stays near one place for some time.

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

/// A finished stop of one entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// Event time of the first position, milliseconds since 1970.
    pub start_ms: i64,
    /// Event time of the last position, milliseconds since 1970.
    pub end_ms: i64,
    /// Number of positions.
    pub n: u64,
    /// Latitude of the first position, degrees.
    pub anchor_lat: f64,
    /// Longitude of the first position, degrees.
    pub anchor_lon: f64,
    /// Plain mean of the latitudes, degrees.
    pub mean_lat: f64,
    /// Plain mean of the longitudes, degrees; means little for a stop on the antimeridian.
    pub mean_lon: f64,
}

/// What makes a stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StopRule {
    /// How far from the anchor a position may be, metres, inclusive.
    pub radius_m: f64,
    /// How much event time must lie between the first and the last position, inclusive.
    pub at_least: Duration,
}

impl<K: Key, T: Data + Located> Keyed<K, T> {
    /// Finds the stops of each key with state of constant size.
    ///
    /// The first position is the anchor. While positions are within the radius of the anchor they
    /// belong to its run; the first that is not becomes the next anchor. A run is a stop if it
    /// lasts long enough. Time without events does not end a stop. The events of a key must come in
    /// order of event time ([`Keyed::ordered`]). A stop comes out with its key: at the event that
    /// leaves it, or when input ends.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use waystream_operators::{
    ///     EventTime, Flow, Located, Position, Stop, StopRule, TestJob, Timestamp, Unset, mins,
    /// };
    ///
    /// #[derive(Clone, Serialize, Deserialize)]
    /// struct Fix { at: i64, lat: f64 }
    /// impl Located for Fix {
    ///     fn position(&self) -> Position { Position::clamped(self.lat, 0.0) }
    /// }
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("fixes", Unset, EventTime::by(|fix: &Fix| Timestamp(fix.at)))
    ///         .key_by(|_| 1u8)
    ///         .stops("stops", StopRule { radius_m: 100.0, at_least: mins(1) })
    ///         .sink("stops", Unset);
    /// }
    ///
    /// let fixes = [(0, 0.0), (70_000, 0.0001), (80_000, 1.0)].map(|(at, lat)| Fix { at, lat });
    /// let stops = TestJob::new(build).input("fixes", fixes).run().unwrap();
    /// let stops: Vec<(u8, Stop)> = stops.output("stops");
    /// assert_eq!((stops.len(), stops[0].1.n), (1, 2));
    /// ```
    pub fn stops(self, name: &str, rule: StopRule) -> Stream<(K, Stop)> {
        self.operator(name, Stops { rule })
    }
}

/// The positions near the anchor so far, as sums.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct StopRun {
    anchor: Position,
    start_ms: i64,
    end_ms: i64,
    n: u64,
    sum_lat: f64,
    sum_lon: f64,
}

impl StopRun {
    /// A run that starts here.
    fn new(time: Timestamp, position: Position) -> Self {
        Self {
            anchor: position,
            start_ms: time.0,
            end_ms: time.0,
            n: 1,
            sum_lat: position.lat(),
            sum_lon: position.lon(),
        }
    }

    /// Takes the next position. If it is too far away it becomes the new anchor, and the run before
    /// it is returned if it was long enough for a stop.
    fn observe(&mut self, time: Timestamp, position: Position, rule: &StopRule) -> Option<Stop> {
        if self.anchor.distance_m(position) <= rule.radius_m {
            self.end_ms = self.end_ms.max(time.0);
            self.n += 1;
            self.sum_lat += position.lat();
            self.sum_lon += position.lon();
            return None;
        }
        let stop = self.close(rule);
        *self = Self::new(time, position);
        stop
    }

    /// The run as a stop, if it was long enough.
    fn close(&self, rule: &StopRule) -> Option<Stop> {
        let long_enough = self.end_ms.saturating_sub(self.start_ms) >= millis(rule.at_least);
        long_enough.then(|| Stop {
            start_ms: self.start_ms,
            end_ms: self.end_ms,
            n: self.n,
            anchor_lat: self.anchor.lat(),
            anchor_lon: self.anchor.lon(),
            mean_lat: self.sum_lat / self.n as f64,
            mean_lon: self.sum_lon / self.n as f64,
        })
    }
}

struct Stops {
    rule: StopRule,
}

impl<K: Key, T: Data + Located> Operator<K, T> for Stops {
    type Address = PerKey<K>;
    type State = StopRun;
    type Output = (K, Stop);

    fn schema(&self) -> String {
        "stops v2".to_owned()
    }

    fn on_event(
        &mut self,
        key: K,
        event: Event<T>,
        scope: &mut Scope<'_, PerKey<K>, StopRun, (K, Stop), T>,
    ) -> Result<()> {
        let position = event.value.position();
        let address = PerKey(key);
        let Some(slot) = scope.table.find(scope.key_hash, &address) else {
            let slot = scope.slot(address, || StopRun::new(event.time, position))?;
            return scope.wake_at(slot, Some(Timestamp::MAX));
        };
        if let Some(stop) = scope.state(slot)?.observe(event.time, position, &self.rule) {
            scope.emit(event.with((address.0, stop)));
        }
        Ok(())
    }

    fn on_timer(
        &mut self,
        slot: u32,
        _due: Due,
        scope: &mut Scope<'_, PerKey<K>, StopRun, (K, Stop), T>,
    ) -> Result<()> {
        let Some(entry) = scope.table.remove(slot)? else { return Ok(()) };
        if let Some(stop) = entry.state.close(&self.rule) {
            scope.emit_at(Timestamp(stop.end_ms), (entry.address.0, stop));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::fix::{Fix, ordered};
    use crate::{Flow, TestJob, Unset};
    use expect_test::expect;
    use proptest::prelude::*;
    use waystream_engine::time::secs;

    type Ping = (i64, f64, f64);

    const RULE: StopRule = StopRule { radius_m: 100.0, at_least: secs(300) };

    fn place(ping: &Ping) -> Position {
        Position::new(ping.1, ping.2).unwrap()
    }

    fn run(pings: &[Ping], rule: &StopRule) -> Vec<Stop> {
        let Some((first, rest)) = pings.split_first() else { return Vec::new() };
        let mut run = StopRun::new(Timestamp(first.0), place(first));
        let observed = rest.iter().map(|ping| run.observe(Timestamp(ping.0), place(ping), rule));
        let mut stops: Vec<_> = observed.flatten().collect();
        stops.extend(run.close(rule));
        stops
    }

    #[test]
    fn a_stop_is_long_enough_and_near_enough() {
        let pings = [
            (0, 0.0, 0.0),
            (299_999, 0.0, 0.0008),
            (400_000, 0.0, 0.01), // the run before lasted 299.999 s: no stop
            (500_000, 0.0, 0.0104),
            (9_000_000, 0.0, 0.0096), // time without events does not matter
            (9_000_001, 0.0, 0.02),
            (9_300_001, 0.0, 0.02), // closed by the end of input
        ];
        expect![[r#"
            400000..9000000 n=3 anchor 0 0.01 mean 0 0.010
            9000001..9300001 n=2 anchor 0 0.02 mean 0 0.020
        "#]]
        .assert_eq(&short(&run(&pings, &RULE)));
    }

    fn short(stops: &[Stop]) -> String {
        let line = |stop: &Stop| {
            let Stop { start_ms, end_ms, n, anchor_lat, anchor_lon, mean_lat, mean_lon } = stop;
            let anchor = format!("anchor {anchor_lat} {anchor_lon}");
            format!("{start_ms}..{end_ms} n={n} {anchor} mean {mean_lat} {mean_lon:.3}\n")
        };
        stops.iter().map(line).collect()
    }

    fn build(flow: &Flow) {
        ordered(flow).stops("stops", RULE).sink("stops", Unset);
    }

    #[test]
    fn keys_stop_for_themselves() {
        let fixes = [("a", 0, 0.0), ("a", 300_000, 0.0), ("a", 300_001, 1.0), ("b", 400_000, 1.0)];
        let fixes = fixes.into_iter().chain([("a", 900_000, 1.0)]);
        let fix = |(key, at, lon): (&str, i64, f64)| Fix::new(key, at, 0.0, lon);
        let job = TestJob::new(build).input("fixes", fixes.map(fix)).workers([2]);
        let mut stops: Vec<(String, Stop)> = job.run().unwrap().output("stops");
        stops.sort_by_key(|(key, stop)| (key.clone(), stop.start_ms));
        let line = |(key, stop): (String, Stop)| format!("{key} {}", short(&[stop]));
        expect![[r#"
            a 0..300000 n=2 anchor 0 0 mean 0 0.000
            a 300001..900000 n=2 anchor 0 1 mean 0 1.000
        "#]]
        .assert_eq(&stops.into_iter().map(line).collect::<String>());
    }

    /// Takes the longest prefix around the first position, again and again.
    fn batch(mut pings: &[Ping], rule: &StopRule) -> Vec<Stop> {
        let mut stops = Vec::new();
        while let Some(anchor) = pings.first() {
            let near = |ping: &&Ping| place(anchor).distance_m(place(ping)) <= rule.radius_m;
            let n = pings.iter().take_while(near).count();
            let (near, rest) = pings.split_at(n);
            if near[n - 1].0 - anchor.0 >= millis(rule.at_least) {
                stops.push(Stop {
                    start_ms: anchor.0,
                    end_ms: near[n - 1].0,
                    n: n as u64,
                    anchor_lat: anchor.1,
                    anchor_lon: anchor.2,
                    mean_lat: near.iter().map(|ping| ping.1).sum::<f64>() / n as f64,
                    mean_lon: near.iter().map(|ping| ping.2).sum::<f64>() / n as f64,
                });
            }
            pings = rest;
        }
        stops
    }

    proptest! {
        #[test]
        fn are_those_of_the_whole_list(
            mut pings in proptest::collection::vec((0i64..1_000_000, 0.0..0.003, 0.0..0.003), 0..60),
        ) {
            pings.sort_by_key(|ping| ping.0);
            prop_assert_eq!(run(&pings, &RULE), batch(&pings, &RULE));
        }
    }
}
