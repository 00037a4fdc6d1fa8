//! The geometry that the queries share: cells of 0.01 degrees, distance, and fences found by cell.

use crate::generate::Fence;
use std::collections::HashMap;

/// The cell a position is in, as one number.
pub fn cell(lat: f64, lon: f64) -> i64 {
    row(lat) * 100_000 + column(lon)
}

fn row(lat: f64) -> i64 {
    ((lat + 90.0) * 100.0).floor() as i64
}

fn column(lon: f64) -> i64 {
    ((lon + 180.0) * 100.0).floor() as i64
}

/// Metres between two positions by the haversine formula, on a sphere of 6,371 km.
pub fn distance_m(from: (f64, f64), to: (f64, f64)) -> f64 {
    let (lat, to_lat) = (from.0.to_radians(), to.0.to_radians());
    let half_lon = (to.1 - from.1).to_radians() / 2.0;
    let chord =
        ((to_lat - lat) / 2.0).sin().powi(2) + lat.cos() * to_lat.cos() * half_lon.sin().powi(2);
    2.0 * 6_371_000.0 * chord.sqrt().asin()
}

/// Fences by the cells that their bounding box touches.
pub struct FenceIndex {
    fences: Vec<Fence>,
    by_cell: HashMap<i64, Vec<usize>>,
}

impl FenceIndex {
    pub fn new(fences: Vec<Fence>) -> Self {
        let mut by_cell: HashMap<i64, Vec<usize>> = HashMap::new();
        for (index, fence) in fences.iter().enumerate() {
            let (south, north) = bounds(fence, 0);
            let (west, east) = bounds(fence, 1);
            for row in row(south)..=row(north) {
                for column in column(west)..=column(east) {
                    by_cell.entry(row * 100_000 + column).or_default().push(index);
                }
            }
        }
        Self { fences, by_cell }
    }

    /// The ids of all fences around a position.
    pub fn around(&self, lat: f64, lon: f64) -> Vec<u32> {
        let near = self.by_cell.get(&cell(lat, lon)).map_or(&[][..], Vec::as_slice);
        let fences = near.iter().map(|index| &self.fences[*index]);
        fences.filter(|fence| contains(&fence.pts, lat, lon)).map(|fence| fence.id).collect()
    }
}

fn bounds(fence: &Fence, axis: usize) -> (f64, f64) {
    let along = fence.pts.iter().map(|point| point[axis]);
    along.fold((f64::MAX, f64::MIN), |(low, high), at| (low.min(at), high.max(at)))
}

/// Counts the edges that a ray to the east crosses: an odd number from inside.
fn contains(ring: &[[f64; 2]], lat: f64, lon: f64) -> bool {
    let mut inside = false;
    let mut before = ring.len() - 1;
    for (at, [corner_lat, corner_lon]) in ring.iter().enumerate() {
        let [before_lat, before_lon] = ring[before];
        if (*corner_lat > lat) != (before_lat > lat) {
            let share = (before_lon - corner_lon) * (lat - corner_lat) / (before_lat - corner_lat);
            inside ^= lon < share + corner_lon;
        }
        before = at;
    }
    inside
}
