//! Where the rings of a zone cross, overlap or touch in a way that a valid polygon does not.

use super::defects::DefectKind;
use super::ring::{Edge, Ring, Vertex, side};
use super::sweep::{Corner, sweep};
use super::touches::Touches;

/// An edge and the place it has among the rings, which are numbered through all polygons.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tagged {
    pub(super) edge: Edge,
    pub(super) polygon: u32,
    pub(super) ring: u32,
    index: u32,
    ring_len: u32,
}

/// A defect in how edges meet, and where.
pub(super) fn find(polygons: &[Vec<Ring>]) -> Option<(DefectKind, Vertex)> {
    let edges = tagged(polygons);
    let mut touches = Touches::new(polygons.iter().map(Vec::len).sum());
    let mut here = Vec::new();
    let bad = sweep(edges.iter().map(|tagged| tagged.edge), |corner| {
        beside(&edges, corner).or_else(|| {
            meeting(corner, &mut here);
            let defect = at_one_point(&edges, &here);
            touches.add(corner.at, here.iter().map(|number| &edges[*number as usize]));
            defect
        })
    });
    bad.or_else(|| Some((DefectKind::InsideCut, touches.circle?)))
}

pub(super) fn tagged(polygons: &[Vec<Ring>]) -> Vec<Tagged> {
    let rings = polygons
        .iter()
        .zip(0..)
        .flat_map(|(rings, polygon)| rings.iter().map(move |ring| (polygon, ring)));
    let edges = rings.zip(0..).flat_map(|((polygon, ring), number)| {
        let ring_len = ring.vertices().len() as u32;
        let edges = ring.edges().zip(0..);
        edges.map(move |(edge, index)| Tagged { edge, polygon, ring: number, index, ring_len })
    });
    edges.collect()
}

/// Compares the edges that are neighbours east of a corner: those that cross farther on are, before
/// they do, and those that lie on one another.
fn beside(edges: &[Tagged], corner: &Corner<'_>) -> Option<(DefectKind, Vertex)> {
    let row = corner.below.iter().chain(corner.east).chain(&corner.above);
    let pairs = row.clone().zip(row.skip(1));
    pairs.into_iter().find_map(|(a, b)| compare(edges, *a, *b))
}

/// Puts the edges that meet at a corner into `here`, each once and those of a ring together.
fn meeting(corner: &Corner<'_>, here: &mut Vec<u32>) {
    here.clear();
    here.extend(corner.west.iter().chain(corner.east));
    here.sort_unstable();
    here.dedup();
}

/// Compares edges that meet at one point: a ring has two that end there or one that goes through, or
/// it touches itself. Two that cross there are neighbours, before the corner or east of it.
fn at_one_point(edges: &[Tagged], here: &[u32]) -> Option<(DefectKind, Vertex)> {
    // Of three edges of a ring at one point two are no neighbours.
    let rings = here.chunk_by(|a, b| edges[*a as usize].ring == edges[*b as usize].ring);
    rings.filter(|ring| ring.len() > 2).find_map(|ring| {
        let [a, b, c] = [ring[0], ring[1], ring[2]];
        [(a, b), (a, c), (b, c)].into_iter().find_map(|(a, b)| compare(edges, a, b))
    })
}

/// What is wrong with how two edges meet, and where the first of them begins.
fn compare(edges: &[Tagged], a: u32, b: u32) -> Option<(DefectKind, Vertex)> {
    let (a, b) = (&edges[a.min(b) as usize], &edges[a.max(b) as usize]);
    let kind = match (a.ring == b.ring, contact(&a.edge, &b.edge)) {
        (true, _) if follows(a, b) => turns_back(&a.edge, &b.edge).then_some(DefectKind::SelfTouch),
        (true, _) if follows(b, a) => turns_back(&b.edge, &a.edge).then_some(DefectKind::SelfTouch),
        (true, Contact::Cross) => Some(DefectKind::SelfCrossing),
        (true, Contact::Touch | Contact::Overlap) => Some(DefectKind::SelfTouch),
        (false, Contact::Cross | Contact::Overlap) => Some(DefectKind::RingsOverlap),
        (false, Contact::Touch) | (_, Contact::Apart) => None,
    };
    Some((kind?, a.edge.from))
}

fn follows(a: &Tagged, b: &Tagged) -> bool {
    (a.index + 1) % a.ring_len == b.index
}

fn turns_back(a: &Edge, b: &Edge) -> bool {
    let (back, on) = (vector(a.to, a.from), vector(b.from, b.to));
    side(a.from, a.to, b.to) == 0.0 && back.0 * on.0 + back.1 * on.1 > 0.0
}

fn vector(from: Vertex, to: Vertex) -> (f64, f64) {
    (to.lon - from.lon, to.lat - from.lat)
}

/// How two edges meet.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Contact {
    Apart,
    Touch,
    Cross,
    Overlap,
}

fn contact(p: &Edge, q: &Edge) -> Contact {
    let of_p = [side(q.from, q.to, p.from), side(q.from, q.to, p.to)];
    let of_q = [side(p.from, p.to, q.from), side(p.from, p.to, q.to)];
    let splits =
        |sides: [f64; 2]| (sides[0] > 0.0 && sides[1] < 0.0) || (sides[0] < 0.0 && sides[1] > 0.0);
    if splits(of_p) && splits(of_q) {
        return Contact::Cross;
    }
    let (a, b) = (p.bounds(), q.bounds());
    if of_p == [0.0, 0.0] && of_q == [0.0, 0.0] {
        let point = a.west.max(b.west) == a.east.min(b.east)
            && a.south.max(b.south) == a.north.min(b.north);
        return match (a.meets(&b), point) {
            (false, _) => Contact::Apart,
            (true, true) => Contact::Touch,
            (true, false) => Contact::Overlap,
        };
    }
    let ends =
        [(of_p[0], p.from, &b), (of_p[1], p.to, &b), (of_q[0], q.from, &a), (of_q[1], q.to, &a)];
    match ends.into_iter().any(|(side, end, other)| side == 0.0 && other.holds(end)) {
        true => Contact::Touch,
        false => Contact::Apart,
    }
}
