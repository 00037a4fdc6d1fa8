//! Exact containment in one zone: even-odd over edges that are sorted into bands of latitude.

use super::ring::{Bounds, Edge, Vertex, side};

/// The edges of all rings of a zone. An edge stands in every band it touches, so a test reads the
/// edges of one band only.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) bounds: Bounds,
    bands_per_degree: f64,
    /// Where each band starts in `edges`, and where the last one ends.
    starts: Vec<u32>,
    edges: Vec<Edge>,
    /// How many edges a test reads at most.
    pub(super) longest_band: usize,
}

/// How many times over an edge may stand in bands, on average.
const COPIES: usize = 6;

impl Shape {
    pub(super) fn new(edges: &[Edge]) -> Self {
        let bounds = edges.iter().fold(Bounds::EMPTY, |all, edge| all.joined(&edge.bounds()));
        let mut bands = (edges.len() / 2).max(1);
        loop {
            let mut shape = Self {
                bounds,
                bands_per_degree: per_degree(bands, bounds.north - bounds.south),
                starts: vec![0; bands + 1],
                edges: Vec::new(),
                longest_band: 0,
            };
            let copies: usize = edges.iter().map(|edge| shape.bands_of(edge).count()).sum();
            if copies <= COPIES * edges.len() || bands == 1 {
                shape.fill(edges, copies);
                return shape;
            }
            bands = bands.div_ceil(2);
        }
    }

    fn fill(&mut self, edges: &[Edge], copies: usize) {
        let nowhere = Vertex { lon: 0.0, lat: 0.0 };
        let mut sorted = vec![Edge { from: nowhere, to: nowhere }; copies];
        let mut sizes = vec![0; self.starts.len() - 1];
        for band in edges.iter().flat_map(|edge| self.bands_of(edge)) {
            sizes[band] += 1;
        }
        for (band, size) in sizes.iter().enumerate() {
            self.starts[band + 1] = self.starts[band] + size;
            self.longest_band = self.longest_band.max(*size as usize);
        }
        let mut next = self.starts.clone();
        for edge in edges {
            for band in self.bands_of(edge) {
                sorted[next[band] as usize] = *edge;
                next[band] += 1;
            }
        }
        self.edges = sorted;
    }

    /// Never decreases with latitude: an edge that reaches a latitude is in that latitude's band.
    fn band(&self, lat: f64) -> usize {
        let band = ((lat - self.bounds.south) * self.bands_per_degree) as usize;
        band.min(self.starts.len() - 2)
    }

    fn bands_of(&self, edge: &Edge) -> std::ops::RangeInclusive<usize> {
        let bounds = edge.bounds();
        self.band(bounds.south)..=self.band(bounds.north)
    }

    /// The edges that may reach into these latitudes; some of them more than once.
    pub(super) fn edges_between(&self, south: f64, north: f64) -> &[Edge] {
        let (first, last) = (self.band(south), self.band(north));
        &self.edges[self.starts[first] as usize..self.starts[last + 1] as usize]
    }

    /// Whether the point lies strictly inside: not on an edge, and an odd number of edges lies
    /// between it and the far east.
    pub(super) fn contains(&self, point: Vertex) -> bool {
        if !self.bounds.holds(point) {
            return false;
        }
        let mut odd = false;
        for edge in self.edges_between(point.lat, point.lat) {
            match relation(edge, point) {
                Relation::On => return false,
                Relation::East => odd = !odd,
                Relation::Apart => {}
            }
        }
        odd
    }
}

/// How an edge stands to a point.
enum Relation {
    /// The point is on it.
    On,
    /// It crosses the parallel east of the point; its northern end does not count, its southern
    /// end does.
    East,
    Apart,
}

fn relation(edge: &Edge, point: Vertex) -> Relation {
    let Edge { from, to } = *edge;
    if from == point {
        return Relation::On; // every vertex is the start of one edge
    }
    if (from.lat > point.lat) == (to.lat > point.lat) {
        let level = from.lat == point.lat && to.lat == point.lat;
        let between = (from.lon < point.lon) != (to.lon < point.lon);
        return if level && between { Relation::On } else { Relation::Apart };
    }
    if from.lon < point.lon && to.lon < point.lon {
        return Relation::Apart;
    }
    if from.lon > point.lon && to.lon > point.lon {
        return Relation::East;
    }
    let (low, high) = if from.lat < to.lat { (from, to) } else { (to, from) };
    match side(low, high, point) {
        0.0 => Relation::On,
        left if left > 0.0 => Relation::East,
        _ => Relation::Apart,
    }
}

/// How many of `count` equal parts make a degree of `degrees`; finite whatever is given.
pub(super) fn per_degree(count: usize, degrees: f64) -> f64 {
    let parts = count as f64 / degrees;
    if parts.is_finite() { parts } else { 0.0 }
}
