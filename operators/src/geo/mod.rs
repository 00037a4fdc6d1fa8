//! Operators of space: cells, zones, trips and stops.

mod cell;
mod distance;
mod geofence;
mod geojson;
mod moving;
mod stops;
mod trips;
mod zones;

pub use cell::Cell;
pub use distance::haversine_m;
pub use geofence::{Crossing, CrossingKind};
pub use moving::Moving;
pub use stops::Stop;
pub use trips::Trip;
pub use zones::{Zone, Zones};
