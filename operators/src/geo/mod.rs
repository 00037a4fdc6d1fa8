//! Positions on the Earth and what jobs ask about them: cells, zones, crossings, trips and stops.

mod cell;
mod defects;
mod geofence;
mod geojson;
mod position;
mod ring;
mod shape;
mod stops;
mod trips;
mod zone_index;
mod zone_source;
mod zones;
#[cfg(test)]
mod zones_tests;

pub use cell::{Cell, CellError, Resolution};
pub use defects::{Defect, DefectKind};
pub use geofence::{Crossing, CrossingKind, Geofence, Inside};
pub use position::{EARTH_RADIUS_M, Located, Position, PositionError};
pub use stops::{Stop, StopRule, StopRun, Stops};
pub use trips::{Moving, Trip, TripState, Trips};
pub use zone_source::ZoneSource;
pub use zones::{ZoneSettings, Zones, ZonesError};
