//! Positions on the Earth and what jobs ask about them: cells, zones, crossings, trips and stops.

mod cell;
mod contacts;
mod coverage;
mod defects;
#[cfg(test)]
mod defects_tests;
#[cfg(test)]
mod fix;
mod geofence;
mod geojson;
mod key_by_cell;
mod position;
mod ring;
mod shape;
mod stops;
mod sweep;
mod touches;
mod trips;
mod zone_file;
mod zone_index;
mod zone_source;
mod zone_view;
mod zones;
#[cfg(test)]
mod zones_tests;

pub use cell::{Cell, CellError, Resolution};
pub use defects::{Defect, DefectKind};
pub use geofence::{Crossing, CrossingKind};
pub use position::{EARTH_RADIUS_M, Located, Position, PositionError};
pub use stops::{Stop, StopRule};
pub use trips::{Moving, Trip};
pub(crate) use zone_file::ZoneFiles;
pub use zone_source::ZoneSource;
pub use zones::{ZoneSettings, Zones, ZonesError};
