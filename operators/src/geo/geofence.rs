//! Tells when a key enters or leaves a zone.

use super::moving::Moving;
use super::zones::Zones;
use crate::keyed::Keyed;
use crate::stream::Stream;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::rc::Rc;
use waystream_engine::error::Result;
use waystream_engine::event::{Data, Event};
use waystream_engine::key::{Key, PerKey};
use waystream_engine::operator::{Operator, Scope};

/// An entity entering or leaving a zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crossing<T> {
    /// The zone's name.
    pub zone: CompactString,
    /// Into it or out of it.
    pub event: CrossingKind,
    /// The record that was first on the other side.
    pub value: T,
}

/// The direction of a crossing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CrossingKind {
    /// The first position inside after one outside.
    Enter,
    /// The first position outside after one inside.
    Exit,
}

impl<T> Crossing<T> {
    /// The zone, if this is an entry.
    pub fn entered(self) -> Option<CompactString> {
        (self.event == CrossingKind::Enter).then_some(self.zone)
    }
}

impl<K: Key, T: Data + Moving> Keyed<K, T> {
    /// Compares each position with a set of zones and puts out every crossing, exits before
    /// entries. A key begins outside of all zones; a zone that is no longer in the set has been
    /// left at the key's next position. Needs the positions of a key in event-time order
    /// ([`Keyed::ordered`]).
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use waystream_operators::{Crossing, CrossingKind, EventTime, Flow, Moving, TestJob, Timestamp, Unset, Zones};
    ///
    /// #[derive(Clone, Serialize, Deserialize)]
    /// struct Fix { at: i64, lat: f64 }
    /// impl Moving for Fix { fn lat_lon(&self) -> (f64, f64) { (self.lat, 1.0) } }
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
    pub fn geofence(self, name: &str, zones: Zones) -> Stream<Crossing<T>> {
        self.operator(name, Geofence { zones: Rc::new(zones), now: Vec::new() })
    }
}

struct Geofence {
    zones: Rc<Zones>,
    now: Vec<CompactString>,
}

impl<K: Key, T: Data + Moving> Operator<K, T> for Geofence {
    type Address = PerKey<K>;
    /// Names of the zones the key is in: they mean the same when the set of zones has changed.
    type State = Vec<CompactString>;
    type Output = Crossing<T>;

    fn schema(&self) -> String {
        "geofence v1".to_owned()
    }

    fn on_event(
        &mut self,
        key: K,
        event: Event<T>,
        scope: &mut Scope<'_, PerKey<K>, Self::State, Crossing<T>, T>,
    ) -> Result<()> {
        let (lat, lon) = event.value.lat_lon();
        let zones = Rc::clone(&self.zones);
        self.now.clear();
        self.now.extend(zones.containing(lat, lon).map(|zone| CompactString::from(zone.name())));
        self.now.sort_unstable();
        let slot = scope.slot_of(key, Vec::new)?;
        if scope.table.get(slot).is_some_and(|entry| entry.state == self.now) {
            return Ok(());
        }
        let before = std::mem::replace(scope.state(slot)?, self.now.clone());
        let left = before.iter().filter(|zone| !self.now.contains(zone));
        let entered = self.now.iter().filter(|zone| !before.contains(zone));
        let crossings = left
            .map(|zone| (zone, CrossingKind::Exit))
            .chain(entered.map(|zone| (zone, CrossingKind::Enter)));
        for (zone, kind) in crossings {
            let crossing = Crossing { zone: zone.clone(), event: kind, value: event.value.clone() };
            scope.emit(event.with(crossing));
        }
        Ok(())
    }
}
