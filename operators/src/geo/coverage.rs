//! What lies over what, where rings do not cross: holes that are not in their shell, and polygons
//! that overlap.

use super::contacts::{Tagged, tagged};
use super::ring::{Ring, Vertex, side};
use super::sweep::{Corner, order, sweep};

/// The first vertex of a hole that lies outside its shell or in another hole, at least in part.
pub(super) fn misplaced_hole(polygon: &Vec<Ring>) -> Option<Vertex> {
    if polygon.len() < 2 {
        return None;
    }
    // Outside the shell, or in another hole, the count falls below zero.
    let ground = Ground::of(std::slice::from_ref(polygon));
    let hole = ground.sweep(|layers, corner| {
        let hole = corner.east.iter().find(|edge| layers[**edge as usize] < 0)?;
        Some(ground.edges[*hole as usize].ring)
    })?;
    polygon[hole as usize].vertices().first().copied()
}

/// A corner beside which two polygons lie over one another.
pub(super) fn overlapping(polygons: &[Vec<Ring>]) -> Option<Vertex> {
    if polygons.len() < 2 {
        return None;
    }
    Ground::of(polygons).sweep(|layers, corner| {
        corner.east.iter().any(|edge| layers[*edge as usize] > 1).then_some(corner.at)
    })
}

/// The edges of polygons.
struct Ground {
    edges: Vec<Tagged>,
    /// Whether the inside of the edge's polygon is north of it.
    opens: Vec<bool>,
}

impl Ground {
    fn of(polygons: &[Vec<Ring>]) -> Self {
        let edges = tagged(polygons);
        let rings = polygons.iter().flat_map(|rings| rings.iter().zip(0..));
        let opens = rings.flat_map(|(ring, number)| {
            let is_hole = number > 0;
            let is_south_when_east = is_counterclockwise(ring) != is_hole;
            ring.edges().map(move |edge| order(edge.from, edge.to).is_lt() == is_south_when_east)
        });
        Self { opens: opens.collect(), edges }
    }

    /// Calls `visit` with each corner, and how many polygons lie over what is north of each edge
    /// that has been met.
    fn sweep<T>(&self, mut visit: impl FnMut(&[i32], &Corner<'_>) -> Option<T>) -> Option<T> {
        let mut layers = vec![0; self.edges.len()];
        sweep(self.edges.iter().map(|tagged| tagged.edge), |corner| {
            let mut count = corner.below.map_or(0, |edge| layers[edge as usize]);
            for edge in corner.east {
                count += if self.opens[*edge as usize] { 1 } else { -1 };
                layers[*edge as usize] = count;
            }
            visit(&layers, corner)
        })
    }
}

/// Which way round a ring goes is how it turns at a corner that no other lies beyond.
fn is_counterclockwise(ring: &Ring) -> bool {
    let vertices = ring.vertices();
    let count = vertices.len();
    let utmost = (0..count).min_by(|a, b| order(vertices[*a], vertices[*b])).unwrap_or(0);
    let beside = |steps: usize| vertices[(utmost + steps) % count];
    count > 2 && side(beside(count - 1), beside(0), beside(1)) > 0.0
}
