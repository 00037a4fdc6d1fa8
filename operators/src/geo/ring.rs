//! One closed ring of a polygon, in plane degrees, cleaned for geometry.

/// A corner of a ring, in degrees. Beside a ring that crosses the antimeridian, `lon` may leave
/// -180..180.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Vertex {
    pub(super) lon: f64,
    pub(super) lat: f64,
}

/// A straight edge between two different vertices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Edge {
    pub(super) from: Vertex,
    pub(super) to: Vertex,
}

/// The vertices of a ring in order: the last joins the first, and no two neighbours are equal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ring(Vec<Vertex>);

/// The smallest upright box around vertices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds {
    pub(super) west: f64,
    pub(super) south: f64,
    pub(super) east: f64,
    pub(super) north: f64,
}

/// On which side of the line from `a` to `b` the point lies: positive is left, zero is exactly on
/// it. The sign is that of exact arithmetic (J. R. Shewchuk, "Adaptive Precision Floating-Point
/// Arithmetic and Fast Robust Geometric Predicates", 1997).
pub(super) fn side(a: Vertex, b: Vertex, point: Vertex) -> f64 {
    let coord = |v: Vertex| robust::Coord { x: v.lon, y: v.lat };
    robust::orient2d(coord(a), coord(b), coord(point))
}

impl Edge {
    pub(super) fn bounds(&self) -> Bounds {
        Bounds::around([self.from, self.to])
    }
}

impl Bounds {
    pub(super) const EMPTY: Self = Self {
        west: f64::INFINITY,
        south: f64::INFINITY,
        east: f64::NEG_INFINITY,
        north: f64::NEG_INFINITY,
    };

    pub(super) fn around(vertices: impl IntoIterator<Item = Vertex>) -> Self {
        vertices.into_iter().fold(Self::EMPTY, |bounds, v| {
            bounds.joined(&Self { west: v.lon, south: v.lat, east: v.lon, north: v.lat })
        })
    }

    pub(super) fn joined(&self, other: &Self) -> Self {
        Self {
            west: self.west.min(other.west),
            south: self.south.min(other.south),
            east: self.east.max(other.east),
            north: self.north.max(other.north),
        }
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        self.west <= other.east
            && other.west <= self.east
            && self.south <= other.north
            && other.south <= self.north
    }

    pub(super) fn holds(&self, v: Vertex) -> bool {
        self.west <= v.lon && v.lon <= self.east && self.south <= v.lat && v.lat <= self.north
    }
}

impl Ring {
    /// A ring from vertices, the first of which may or may not be repeated at the end.
    ///
    /// Where neighbours are more than 180 but less than 360 degrees of longitude apart, the ring
    /// is taken to go the short way, across the antimeridian, and goes on beyond ±180. A ring that
    /// would not close that way (it goes round a pole) is taken as it is written.
    pub(super) fn new(mut vertices: Vec<Vertex>) -> Self {
        vertices.dedup();
        while vertices.len() > 1 && vertices.first() == vertices.last() {
            vertices.pop();
        }
        let mut ring = Self(vertices);
        ring.unwrap_antimeridian();
        ring
    }

    fn unwrap_antimeridian(&mut self) {
        let jump = |from: Vertex, to: Vertex| match to.lon - from.lon {
            apart if apart > 180.0 && apart < 360.0 => -360.0,
            apart if apart < -180.0 && apart > -360.0 => 360.0,
            _ => 0.0,
        };
        let mut shift = 0.0;
        let mut unwrapped = Vec::with_capacity(self.0.len());
        for (index, vertex) in self.0.iter().enumerate() {
            if let Some(before) = index.checked_sub(1) {
                shift += jump(self.0[before], *vertex);
            }
            unwrapped.push(Vertex { lon: vertex.lon + shift, lat: vertex.lat });
        }
        if let (Some(last), Some(first)) = (self.0.last(), self.0.first()) {
            shift += jump(*last, *first);
        }
        let bounds = Bounds::around(unwrapped.iter().copied());
        if shift == 0.0 && bounds.east - bounds.west < 360.0 {
            self.0 = unwrapped;
        }
    }

    /// Moves the ring by whole turns so that it lies beside `shell`, if that needs a move.
    pub(super) fn move_into(&mut self, shell: &Bounds) {
        let Some(first) = self.0.first().copied() else { return };
        let fits = |turn: &f64| {
            let lon = first.lon + turn;
            shell.west <= lon && lon <= shell.east
        };
        if let Some(turn) = [0.0, 360.0, -360.0].into_iter().find(fits).filter(|t| *t != 0.0) {
            self.0.iter_mut().for_each(|vertex| vertex.lon += turn);
        }
    }

    pub(super) fn vertices(&self) -> &[Vertex] {
        &self.0
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds::around(self.0.iter().copied())
    }

    /// The edges in order, each starting where the one before ends.
    pub(super) fn edges(&self) -> impl Iterator<Item = Edge> {
        let next = self.0.iter().cycle().skip(1);
        let count = if self.0.len() < 2 { 0 } else { self.0.len() };
        self.0.iter().zip(next).take(count).map(|(from, to)| Edge { from: *from, to: *to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lons(given: &[f64]) -> Vec<f64> {
        let vertices = given.iter().enumerate().map(|(i, lon)| Vertex { lon: *lon, lat: i as f64 });
        Ring::new(vertices.collect()).vertices().iter().map(|v| v.lon).collect()
    }

    #[test]
    fn a_ring_goes_on_across_the_antimeridian() {
        assert_eq!(lons(&[170.0, -170.0, -170.0, 170.0]), [170.0, 190.0, 190.0, 170.0]);
        assert_eq!(lons(&[-170.0, -175.0, 175.0, 170.0]), [-170.0, -175.0, -185.0, -190.0]);
    }

    #[test]
    fn a_ring_round_a_pole_or_the_world_stays_as_written() {
        for ring in [&[-120.0, 0.0, 120.0][..], &[-180.0, 180.0, 180.0, -180.0]] {
            assert_eq!(lons(ring), ring);
        }
    }

    #[test]
    fn repeated_vertices_are_one() {
        let v = |lon, lat| Vertex { lon, lat };
        let ring =
            Ring::new(vec![v(0., 0.), v(0., 0.), v(1., 0.), v(1., 1.), v(0., 0.), v(0., 0.)]);
        assert_eq!(ring.vertices(), [v(0., 0.), v(1., 0.), v(1., 1.)]);
        assert_eq!(ring.edges().count(), 3);
        assert_eq!(ring.edges().last(), Some(Edge { from: v(1., 1.), to: v(0., 0.) }));
    }
}
