//! What is wrong with a polygon: the first break of the OGC rules for simple features in it.

use super::ring::{Bounds, Edge, Ring, Vertex, side};
use super::shape::Shape;
use compact_str::CompactString;
use std::collections::HashMap;
use std::fmt;

/// A zone that is no valid polygon. It still works: what is inside is decided by the even-odd
/// rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Defect {
    /// Name of the zone.
    pub zone: CompactString,
    /// Number of the feature in its file, from 0.
    pub feature: usize,
    /// What is wrong.
    pub kind: DefectKind,
    /// Where, degrees of latitude.
    pub lat: f64,
    /// Where, degrees of longitude.
    pub lon: f64,
}

/// A way in which a polygon breaks the rules of OGC simple features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DefectKind {
    /// A ring has no area: fewer than three different corners.
    Collapsed,
    /// A ring touches itself.
    SelfTouch,
    /// A ring crosses itself.
    SelfCrossing,
    /// Two rings cross, or one runs along the other.
    RingsOverlap,
    /// Two rings of a polygon touch more than once, which cuts its inside in two.
    InsideCut,
    /// A hole is not in its shell, or in another hole.
    HoleMisplaced,
    /// Two polygons of a multipolygon overlap.
    PolygonsOverlap,
}

impl fmt::Display for DefectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Collapsed => "a ring without area",
            Self::SelfTouch => "a ring touches itself",
            Self::SelfCrossing => "a ring crosses itself",
            Self::RingsOverlap => "two rings cross or share an edge",
            Self::InsideCut => "two rings touch more than once",
            Self::HoleMisplaced => "a hole is outside its shell or inside another hole",
            Self::PolygonsOverlap => "two polygons overlap",
        })
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { zone, feature, kind, lat, lon } = self;
        write!(f, "zone `{zone}` (feature {feature}): {kind} at latitude {lat}, longitude {lon}")
    }
}

/// The first defect of a zone, if it has one.
pub(super) fn find(polygons: &[Vec<Ring>]) -> Option<(DefectKind, Vertex)> {
    collapsed(polygons)
        .or_else(|| Sweep::default().run(tagged(polygons)))
        .or_else(|| polygons.iter().find_map(|rings| misplaced_hole(rings)))
        .or_else(|| overlapping(polygons))
}

fn collapsed(polygons: &[Vec<Ring>]) -> Option<(DefectKind, Vertex)> {
    let ring = polygons.iter().flatten().find(|ring| ring.vertices().len() < 3)?;
    let at = ring.vertices().first().copied().unwrap_or(Vertex { lon: 0.0, lat: 0.0 });
    Some((DefectKind::Collapsed, at))
}

/// An edge and the place it has among the rings.
#[derive(Clone, Copy)]
struct Tagged {
    edge: Edge,
    bounds: Bounds,
    polygon: usize,
    ring: usize,
    index: usize,
    ring_len: usize,
}

fn tagged(polygons: &[Vec<Ring>]) -> Vec<Tagged> {
    let rings = polygons.iter().enumerate().flat_map(|(polygon, rings)| {
        rings.iter().enumerate().map(move |(number, ring)| (polygon, number, ring))
    });
    let edges = rings.flat_map(|(polygon, number, ring)| {
        let ring_len = ring.vertices().len();
        ring.edges().enumerate().map(move |(index, edge)| {
            let bounds = edge.bounds();
            Tagged { edge, bounds, polygon, ring: number, index, ring_len }
        })
    });
    edges.collect()
}

/// How two edges meet.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Contact {
    Apart,
    Touch(Vertex),
    Cross,
    Overlap,
}

fn contact(a: &Tagged, b: &Tagged) -> Contact {
    let (p, q) = (a.edge, b.edge);
    let of_p = [side(q.from, q.to, p.from), side(q.from, q.to, p.to)];
    let of_q = [side(p.from, p.to, q.from), side(p.from, p.to, q.to)];
    let splits =
        |sides: [f64; 2]| (sides[0] > 0.0 && sides[1] < 0.0) || (sides[0] < 0.0 && sides[1] > 0.0);
    if splits(of_p) && splits(of_q) {
        return Contact::Cross;
    }
    if of_p == [0.0, 0.0] && of_q == [0.0, 0.0] {
        let west = a.bounds.west.max(b.bounds.west);
        let south = a.bounds.south.max(b.bounds.south);
        let point =
            west == a.bounds.east.min(b.bounds.east) && south == a.bounds.north.min(b.bounds.north);
        return match (a.bounds.meets(&b.bounds), point) {
            (false, _) => Contact::Apart,
            (true, true) => Contact::Touch(Vertex { lon: west, lat: south }),
            (true, false) => Contact::Overlap,
        };
    }
    let ends = [
        (of_p[0], p.from, &b.bounds),
        (of_p[1], p.to, &b.bounds),
        (of_q[0], q.from, &a.bounds),
        (of_q[1], q.to, &a.bounds),
    ];
    let touching = ends.into_iter().find(|(side, end, other)| *side == 0.0 && other.holds(*end));
    touching.map_or(Contact::Apart, |(_, end, _)| Contact::Touch(end))
}

/// Compares all edges whose ranges of longitude (or latitude, if that is less work) overlap.
#[derive(Default)]
struct Sweep {
    /// Where two rings of a polygon touch, by polygon and rings.
    touches: HashMap<(usize, usize, usize), Vertex>,
}

impl Sweep {
    fn run(mut self, mut edges: Vec<Tagged>) -> Option<(DefectKind, Vertex)> {
        let width: f64 = edges.iter().map(|edge| edge.bounds.east - edge.bounds.west).sum();
        let height: f64 = edges.iter().map(|edge| edge.bounds.north - edge.bounds.south).sum();
        let range = |edge: &Tagged| match width <= height {
            true => (edge.bounds.west, edge.bounds.east),
            false => (edge.bounds.south, edge.bounds.north),
        };
        edges.sort_by(|a, b| range(a).0.total_cmp(&range(b).0));
        for (index, a) in edges.iter().enumerate() {
            let end = range(a).1;
            for b in edges[index + 1..].iter().take_while(|b| range(b).0 <= end) {
                if a.bounds.meets(&b.bounds)
                    && let Some(kind) = self.compare(a, b)
                {
                    return Some((kind, a.edge.from));
                }
            }
        }
        None
    }

    fn compare(&mut self, a: &Tagged, b: &Tagged) -> Option<DefectKind> {
        if a.polygon == b.polygon && a.ring == b.ring {
            return within_ring(a, b);
        }
        match contact(a, b) {
            Contact::Cross | Contact::Overlap => Some(DefectKind::RingsOverlap),
            Contact::Touch(at) if a.polygon == b.polygon => {
                let rings = (a.polygon, a.ring.min(b.ring), a.ring.max(b.ring));
                let first = self.touches.entry(rings).or_insert(at);
                (*first != at).then_some(DefectKind::InsideCut)
            }
            Contact::Touch(_) | Contact::Apart => None,
        }
    }
}

fn within_ring(a: &Tagged, b: &Tagged) -> Option<DefectKind> {
    let follows = |a: &Tagged, b: &Tagged| (a.index + 1) % a.ring_len == b.index;
    let turns_back = |a: &Edge, b: &Edge| {
        let (back, on) = (vector(a.to, a.from), vector(b.from, b.to));
        side(a.from, a.to, b.to) == 0.0 && back.0 * on.0 + back.1 * on.1 > 0.0
    };
    if follows(a, b) {
        return turns_back(&a.edge, &b.edge).then_some(DefectKind::SelfTouch);
    }
    if follows(b, a) {
        return turns_back(&b.edge, &a.edge).then_some(DefectKind::SelfTouch);
    }
    match contact(a, b) {
        Contact::Apart => None,
        Contact::Cross => Some(DefectKind::SelfCrossing),
        Contact::Touch(_) | Contact::Overlap => Some(DefectKind::SelfTouch),
    }
}

fn vector(from: Vertex, to: Vertex) -> (f64, f64) {
    (to.lon - from.lon, to.lat - from.lat)
}

fn shape_of<'a>(rings: impl IntoIterator<Item = &'a Ring>) -> Shape {
    Shape::new(&rings.into_iter().flat_map(Ring::edges).collect::<Vec<_>>())
}

fn misplaced_hole(rings: &[Ring]) -> Option<(DefectKind, Vertex)> {
    let (shell, holes) = rings.split_first()?;
    if holes.is_empty() {
        return None;
    }
    let shell = shape_of([shell]);
    let shapes: Vec<_> = holes.iter().map(|hole| shape_of([hole])).collect();
    for (index, hole) in holes.iter().enumerate() {
        let bounds = &shapes[index].bounds;
        let near: Vec<_> = (0..holes.len())
            .filter(|other| *other != index && shapes[*other].bounds.meets(bounds))
            .collect();
        for vertex in hole.vertices() {
            let outside = !shell.contains(*vertex) && !shell.touches(*vertex);
            if outside || near.iter().any(|other| shapes[*other].contains(*vertex)) {
                return Some((DefectKind::HoleMisplaced, *vertex));
            }
        }
    }
    None
}

fn overlapping(polygons: &[Vec<Ring>]) -> Option<(DefectKind, Vertex)> {
    if polygons.len() < 2 {
        return None;
    }
    let mut shapes: Vec<_> = polygons.iter().map(|rings| (shape_of(rings), rings)).collect();
    shapes.sort_by(|(a, _), (b, _)| a.bounds.west.total_cmp(&b.bounds.west));
    let corner_inside = |rings: &[Ring], shape: &Shape| {
        let corners = rings.iter().flat_map(Ring::vertices);
        corners.copied().find(|corner| shape.contains(*corner))
    };
    for (index, (shape, rings)) in shapes.iter().enumerate() {
        let after = shapes[index + 1..].iter();
        for (other, others) in after.take_while(|(other, _)| other.bounds.west <= shape.bounds.east)
        {
            if let Some(at) = corner_inside(rings, other).or_else(|| corner_inside(others, shape)) {
                return Some((DefectKind::PolygonsOverlap, at));
            }
        }
    }
    None
}
