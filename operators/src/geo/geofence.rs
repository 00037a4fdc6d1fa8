//! Geofence: which zones an entity enters and leaves.

use super::position::Located;
use super::zone_source::{ZoneSource, ZonesSeen};
use super::zones::Zones;
use crate::keyed::Keyed;
use crate::stream::Stream;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use waystream_engine::error::Result;
use waystream_engine::event::{Data, Event};
use waystream_engine::key::{Key, PerKey};
use waystream_engine::operator::{Operator, Scope};

/// An entity has entered or left a zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crossing<T> {
    /// Name of the zone.
    pub zone: CompactString,
    /// Which way.
    pub event: CrossingKind,
    /// The first event on the new side.
    pub value: T,
}

/// Which way an entity has crossed the edge of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CrossingKind {
    /// It was outside and is inside.
    Enter,
    /// It was inside and is outside, or the zone is gone.
    Exit,
}

impl<T> Crossing<T> {
    /// The zone, if it was entered; for `flat_map`.
    #[must_use]
    pub fn entered(self) -> Option<CompactString> {
        (self.event == CrossingKind::Enter).then_some(self.zone)
    }

    /// The zone, if it was left; for `flat_map`.
    #[must_use]
    pub fn left(self) -> Option<CompactString> {
        (self.event == CrossingKind::Exit).then_some(self.zone)
    }
}

impl<K: Key, T: Data + Located> Keyed<K, T> {
    /// Puts out a [`Crossing`] when an event of a key is on the other side of a zone's edge than
    /// the one before: exits first, then entries, each in order of zone name.
    ///
    /// A key is outside of all zones before its first event, and there is no exit at the end of
    /// input. Events are taken as they come, so they should come in order of event time
    /// ([`Keyed::ordered`]). Only keys inside some zone occupy state.
    ///
    /// The zones may be replaced while the job runs ([`ZoneSource`]). Other zones count from the
    /// next event of each key: with it the key leaves the zones that are gone or no longer hold its
    /// position, and enters those that now do. A zone is its name: the same name with another shape
    /// is the same zone. A key without another event stays where it was.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use waystream_operators::{
    ///     Crossing, CrossingKind, EventTime, Flow, Located, Position, TestJob, Timestamp, Unset, Zones,
    /// };
    ///
    /// #[derive(Clone, Serialize, Deserialize)]
    /// struct Fix { at: i64, lat: f64 }
    /// impl Located for Fix {
    ///     fn position(&self) -> Position { Position::clamped(self.lat, 1.0) }
    /// }
    ///
    /// fn build(flow: &Flow) {
    ///     let zones = r#"{"type":"Polygon","coordinates":[[[0,0],[2,0],[2,2],[0,2],[0,0]]]}"#;
    ///     flow.source("fixes", Unset, EventTime::by(|fix: &Fix| Timestamp(fix.at)))
    ///         .key_by(|_| 1u8)
    ///         .geofence("zones", Zones::from_geojson(zones).unwrap())
    ///         .sink("crossings", Unset);
    /// }
    ///
    /// let fixes = [(0, -1.0), (1, 1.0), (2, 3.0)].map(|(at, lat)| Fix { at, lat });
    /// let crossings = TestJob::new(build).input("fixes", fixes).run().unwrap();
    /// let crossings: Vec<Crossing<Fix>> = crossings.output("crossings");
    /// let events: Vec<_> = crossings.iter().map(|crossing| crossing.event).collect();
    /// assert_eq!(events, [CrossingKind::Enter, CrossingKind::Exit]);
    /// ```
    pub fn geofence(self, name: &str, zones: impl Into<ZoneSource>) -> Stream<Crossing<T>> {
        self.operator(name, Geofence { zones: ZonesSeen::new(zones.into()), found: Vec::new() })
    }
}

/// The names of the zones an entity is inside, in order. Names, because the set of zones may have
/// changed when the state is read again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Inside(Vec<CompactString>);

impl Inside {
    /// Whether these are exactly the zones with these ascending numbers.
    fn is(&self, zones: &Zones, now: &[u32]) -> bool {
        self.0.len() == now.len() && self.0.iter().zip(now).all(|(a, b)| a == zones.name(*b))
    }

    /// Moves to the zones with these ascending numbers, and tells what was left and what was
    /// entered: first all exits, then all entries, each in order of zone name.
    fn observe(
        &mut self,
        zones: &Zones,
        now: &[u32],
        mut crossed: impl FnMut(CrossingKind, &CompactString),
    ) {
        // Both lists are sorted by name, since zones are numbered in the order of their names.
        let known = |name| now.binary_search_by(|zone| zones.name(*zone).cmp(name)).is_ok();
        for name in self.0.iter().filter(|name| !known(name)) {
            crossed(CrossingKind::Exit, name);
        }
        for name in now.iter().map(|zone| zones.name(*zone)) {
            if self.0.binary_search(name).is_err() {
                crossed(CrossingKind::Enter, name);
            }
        }
        self.0.clear();
        self.0.extend(now.iter().map(|zone| zones.name(*zone).clone()));
    }
}

struct Geofence {
    zones: ZonesSeen,
    /// Reused from event to event.
    found: Vec<u32>,
}

impl<K: Key, T: Data + Located> Operator<K, T> for Geofence {
    type Address = PerKey<K>;
    type State = Inside;
    type Output = Crossing<T>;

    fn schema(&self) -> String {
        "geofence v1".to_owned()
    }

    fn on_event(
        &mut self,
        key: K,
        event: Event<T>,
        scope: &mut Scope<'_, PerKey<K>, Inside, Crossing<T>, T>,
    ) -> Result<()> {
        let zones = self.zones.current(scope.now);
        zones.containing(event.value.position(), &mut self.found);
        let address = PerKey(key);
        let slot = scope.table.find(scope.key_hash, &address);
        let before = slot.and_then(|slot| scope.table.get(slot)).map(|entry| &entry.state);
        if before.map_or(self.found.is_empty(), |inside| inside.is(zones, &self.found)) {
            return Ok(());
        }
        let mut inside = before.cloned().unwrap_or_default();
        inside.observe(zones, &self.found, |kind, zone| {
            let (zone, value) = (zone.clone(), event.value.clone());
            scope.emit(event.with(Crossing { zone, event: kind, value }));
        });
        match slot {
            Some(slot) if self.found.is_empty() => scope.table.remove(slot).map(drop),
            Some(slot) => scope.state(slot).map(|state| *state = inside),
            None => scope.slot(address, || inside).map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::fix::{Fix, ordered};
    use crate::{Flow, Position, TestJob, Unset};
    use expect_test::expect;
    use proptest::prelude::*;
    use waystream_engine::time::Timestamp;

    const NOW: Timestamp = Timestamp(0);

    /// Zones by name, each a range of longitudes from -1 to 1 degree of latitude.
    fn bands(bands: &[(&str, f64, f64)]) -> Zones {
        let features = bands.iter().map(|(name, west, east)| {
            format!(
                r#"{{"type":"Feature","properties":{{"id":"{name}"}},"geometry":{{"type":"Polygon",
                "coordinates":[[[{west},-1],[{east},-1],[{east},1],[{west},1],[{west},-1]]]}}}}"#
            )
        });
        let features = features.collect::<Vec<_>>().join(",");
        Zones::from_geojson(&format!(r#"{{"type":"FeatureCollection","features":[{features}]}}"#))
            .unwrap()
    }

    fn observe(inside: &mut Inside, zones: &Zones, lon: f64) -> Vec<(CrossingKind, String)> {
        let mut now = Vec::new();
        zones.containing(Position::new(0.0, lon).unwrap(), &mut now);
        let mut crossings = Vec::new();
        let same = inside.is(zones, &now);
        inside.observe(zones, &now, |kind, zone| crossings.push((kind, zone.to_string())));
        assert_eq!(same, crossings.is_empty());
        assert!(inside.is(zones, &now));
        crossings
    }

    fn drive(inside: &mut Inside, zones: &Zones, lons: &[f64]) -> String {
        let line = |lon: &f64| format!("{lon}: {:?}\n", observe(inside, zones, *lon));
        lons.iter().map(line).collect()
    }

    #[test]
    fn exits_come_before_entries_and_both_in_order_of_name() {
        let zones = bands(&[("b", 0.0, 2.0), ("a", 1.0, 3.0), ("d", 2.0, 4.0), ("c", 2.0, 5.0)]);
        let mut inside = Inside::default();
        expect![[r#"
            -1: []
            0: []
            1.5: [(Enter, "a"), (Enter, "b")]
            1.6: []
            2: [(Exit, "b")]
            2.5: [(Enter, "c"), (Enter, "d")]
            4.5: [(Exit, "a"), (Exit, "d")]
            0.5: [(Exit, "c"), (Enter, "b")]
        "#]]
        .assert_eq(&drive(&mut inside, &zones, &[-1.0, 0.0, 1.5, 1.6, 2.0, 2.5, 4.5, 0.5]));
    }

    #[test]
    fn a_replaced_set_counts_from_the_next_event() {
        let source = ZoneSource::new(bands(&[("a", 0.0, 2.0), ("gone", 0.0, 2.0)]));
        let mut seen = ZonesSeen::new(source.clone());
        let mut inside = Inside::default();
        let before = drive(&mut inside, seen.current(NOW), &[1.0]);
        source.replace(bands(&[("0 new", 0.0, 2.0), ("a", 0.5, 2.0)]));
        let after = drive(&mut inside, seen.current(NOW), &[1.0, 1.0, 0.3]);
        expect![[r#"
            1: [(Enter, "a"), (Enter, "gone")]
            1: [(Exit, "gone"), (Enter, "0 new")]
            1: []
            0.3: [(Exit, "a")]
        "#]]
        .assert_eq(&(before + &after));
    }

    fn build(flow: &Flow) {
        ordered(flow)
            .geofence("zones", bands(&[("east", 1.0, 3.0), ("west", 0.0, 2.0)]))
            .sink("crossings", Unset);
    }

    #[test]
    fn keys_cross_for_themselves_and_an_edge_is_outside() {
        let fixes = [("a", 0.5), ("b", 1.5), ("a", 2.0), ("b", 1.6), ("b", 0.0), ("c", 9.0)];
        let fix = |(at, (key, lon)): (i64, (&str, f64))| Fix::new(key, at, 0.0, lon);
        let job = TestJob::new(build).input("fixes", (0..).zip(fixes).map(fix)).workers([2]);
        let mut crossings: Vec<Crossing<Fix>> = job.run().unwrap().output("crossings");
        crossings.sort_by_key(|crossing| crossing.value.at);
        let line = |Crossing { zone, event, value }: Crossing<Fix>| {
            format!("{} at {}: {event:?} {zone}\n", value.key, value.at)
        };
        expect![[r#"
            a at 0: Enter west
            b at 1: Enter east
            b at 1: Enter west
            a at 2: Exit west
            a at 2: Enter east
            b at 4: Exit east
            b at 4: Exit west
        "#]]
        .assert_eq(&crossings.into_iter().map(line).collect::<String>());
    }

    #[test]
    fn a_crossing_reads_as_the_job_wants_it() {
        let crossing = Crossing { zone: "a".into(), event: CrossingKind::Enter, value: 7 };
        let text = serde_json::to_string(&crossing).unwrap();
        assert_eq!(text, r#"{"zone":"a","event":"enter","value":7}"#);
        assert_eq!(crossing.clone().left(), None);
        assert_eq!(crossing.entered(), Some("a".into()));
    }

    proptest! {
        /// Each zone for itself: a crossing wherever two neighbouring events differ.
        #[test]
        fn zones_are_independent(lons in proptest::collection::vec(0i32..12, 0..40)) {
            let given = [("a", 1.0, 4.0), ("b", 3.0, 9.0), ("c", 4.0, 4.5), ("d", 5.0, 11.0)];
            let zones = bands(&given);
            let mut inside = Inside::default();
            let lons: Vec<_> = lons.into_iter().map(|lon| f64::from(lon) / 2.0 + 0.25).collect();
            let mut before = f64::NAN;
            for lon in lons {
                let within = |lon: f64, zone: &(&str, f64, f64)| zone.1 < lon && lon < zone.2;
                let mut expected = Vec::new();
                for zone in given.iter().filter(|zone| within(before, zone) && !within(lon, zone)) {
                    expected.push((CrossingKind::Exit, zone.0.to_owned()));
                }
                for zone in given.iter().filter(|zone| !within(before, zone) && within(lon, zone)) {
                    expected.push((CrossingKind::Enter, zone.0.to_owned()));
                }
                prop_assert_eq!(observe(&mut inside, &zones, lon), expected);
                before = lon;
            }
        }
    }
}
