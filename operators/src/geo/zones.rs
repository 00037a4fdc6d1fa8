//! A set of zones and the question which of them contain a position.

use robust::{Coord, orient2d};
use std::fmt;

/// Cells along each side of the index grid, at most.
const GRID_SIDE: usize = 256;

/// A closed line of positions as (longitude, latitude) in degrees; the last one is not repeated.
pub(super) type Ring = Vec<(f64, f64)>;

/// A named area: polygons, each a shell with its holes.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    pub(super) name: String,
    pub(super) polygons: Vec<Vec<Ring>>,
    pub(super) defect: Option<String>,
}

impl Zone {
    /// The zone's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is wrong with its rings, if anything; a ring that touches or crosses itself counts by
    /// the even-odd rule.
    #[must_use]
    pub fn defect(&self) -> Option<&str> {
        self.defect.as_deref()
    }

    /// Whether a position lies strictly inside, with straight edges in degrees. What lies exactly
    /// on an edge is outside (OGC `contains`).
    #[must_use]
    pub fn contains(&self, lat: f64, lon: f64) -> bool {
        self.polygons.iter().any(|rings| polygon_contains(rings, lat, lon))
    }

    fn bounds(&self) -> Bounds {
        let mut bounds = Bounds::EMPTY;
        for (lon, lat) in self.polygons.iter().flatten().flatten() {
            bounds.include(*lat, *lon);
        }
        bounds
    }
}

/// Even-odd over all rings, with exact arithmetic at the edges (Shewchuk's orientation predicate).
fn polygon_contains(rings: &[Ring], lat: f64, lon: f64) -> bool {
    let point = Coord { x: lon, y: lat };
    let mut inside = false;
    for ring in rings {
        let mut from = ring[ring.len() - 1];
        for to in ring {
            let (a, b) = (Coord { x: from.0, y: from.1 }, Coord { x: to.0, y: to.1 });
            if a.y.min(b.y) <= lat && lat <= a.y.max(b.y) {
                let side = orient2d(a, b, point);
                if side == 0.0 && a.x.min(b.x) <= lon && lon <= a.x.max(b.x) {
                    return false;
                }
                if (a.y > lat) != (b.y > lat) && (side > 0.0) == (b.y > a.y) {
                    inside = !inside;
                }
            }
            from = *to;
        }
    }
    inside
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    south: f64,
    north: f64,
    west: f64,
    east: f64,
}

impl Bounds {
    const EMPTY: Self = Self {
        south: f64::INFINITY,
        north: f64::NEG_INFINITY,
        west: f64::INFINITY,
        east: f64::NEG_INFINITY,
    };

    fn include(&mut self, lat: f64, lon: f64) {
        (self.south, self.north) = (self.south.min(lat), self.north.max(lat));
        (self.west, self.east) = (self.west.min(lon), self.east.max(lon));
    }

    fn contains(&self, lat: f64, lon: f64) -> bool {
        (self.south..=self.north).contains(&lat) && (self.west..=self.east).contains(&lon)
    }
}

/// An immutable set of zones with an index over them.
#[derive(Clone)]
pub struct Zones {
    zones: Vec<Zone>,
    bounds: Bounds,
    side: usize,
    /// Zones whose bounds meet a grid cell, row by row.
    grid: Vec<Vec<u32>>,
}

impl fmt::Debug for Zones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zones").field("zones", &self.zones.len()).finish_non_exhaustive()
    }
}

impl Zones {
    pub(super) fn of(zones: Vec<Zone>) -> Self {
        let each: Vec<Bounds> = zones.iter().map(Zone::bounds).collect();
        let mut bounds = Bounds::EMPTY;
        for one in &each {
            bounds.include(one.south, one.west);
            bounds.include(one.north, one.east);
        }
        let side = ((zones.len() as f64).sqrt() as usize * 8).clamp(1, GRID_SIDE);
        let mut index = Self { zones, bounds, side, grid: vec![Vec::new(); side * side] };
        for (number, one) in each.iter().enumerate() {
            let (south, west) = index.cell(one.south, one.west);
            let (north, east) = index.cell(one.north, one.east);
            for row in south..=north {
                for column in west..=east {
                    index.grid[row * side + column].push(number as u32);
                }
            }
        }
        index
    }

    /// No zones at all.
    #[must_use]
    pub fn none() -> Self {
        Self::of(Vec::new())
    }

    /// The zones, in the order of the file.
    #[must_use]
    pub fn zones(&self) -> &[Zone] {
        &self.zones
    }

    /// The zones that contain a position.
    pub fn containing(&self, lat: f64, lon: f64) -> impl Iterator<Item = &Zone> {
        let near: &[u32] = if self.bounds.contains(lat, lon) {
            let (row, column) = self.cell(lat, lon);
            &self.grid[row * self.side + column]
        } else {
            &[]
        };
        let zones = near.iter().map(|number| &self.zones[*number as usize]);
        zones.filter(move |zone| zone.contains(lat, lon))
    }

    fn cell(&self, lat: f64, lon: f64) -> (usize, usize) {
        let place = |value: f64, from: f64, to: f64| {
            let share = (value - from) / (to - from).max(f64::MIN_POSITIVE);
            ((share * self.side as f64) as usize).min(self.side - 1)
        };
        let Bounds { south, north, west, east } = self.bounds;
        (place(lat, south, north), place(lon, west, east))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::{Contains, LineString, Point, Polygon};
    use proptest::prelude::*;

    /// A star around a centre: simple, often concave.
    fn star(centre: (f64, f64), radii: &[f64]) -> Ring {
        let angle = |i: usize| i as f64 / radii.len() as f64 * std::f64::consts::TAU;
        let corner = |(i, r): (usize, &f64)| {
            let (sin, cos) = angle(i).sin_cos();
            ((centre.0 + r * cos).round(), (centre.1 + r * sin).round())
        };
        radii.iter().enumerate().map(corner).collect()
    }

    proptest! {
        /// Against geo's `Contains`, on a coarse grid so that many positions lie on edges.
        #[test]
        fn contain_what_geo_says(
            stars in proptest::collection::vec(((-20.0f64..20.0, -20.0f64..20.0), proptest::collection::vec(6.0f64..15.0, 3..12)), 1..6),
            points in proptest::collection::vec((-40i32..40, -40i32..40), 60),
        ) {
            let rings: Vec<Ring> = stars.iter().map(|(centre, radii)| star(*centre, radii)).collect();
            let zones = rings.iter().enumerate().map(|(i, ring)| Zone { name: i.to_string(), polygons: vec![vec![ring.clone()]], defect: None });
            let index = Zones::of(zones.collect());
            let polygons: Vec<_> = rings.iter().map(|ring| Polygon::new(LineString::from(ring.clone()), vec![])).collect();
            for (lon, lat) in points {
                let (lon, lat) = (f64::from(lon), f64::from(lat));
                let found: Vec<_> = index.containing(lat, lon).map(|zone| zone.name().to_owned()).collect();
                let wanted: Vec<_> = (0..rings.len()).filter(|i| polygons[*i].contains(&Point::new(lon, lat))).map(|i| i.to_string()).collect();
                prop_assert_eq!(found, wanted, "at {} {}", lat, lon);
            }
        }
    }
}
