//! Defects against a comparison of all pairs of edges, of holes and of polygons.

use super::defects::{DefectKind, find};
use super::ring::{Bounds, Edge, Ring, Vertex, side};
use super::shape::Shape;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

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

/// What is wrong with any two edges, and where it may be said to be.
fn of_edges(polygons: &[Vec<Ring>]) -> Vec<(DefectKind, Vec<Vertex>)> {
    let edges = tagged(polygons);
    let mut touches = HashSet::new();
    let mut found = Vec::new();
    for (index, a) in edges.iter().enumerate() {
        for b in edges[index + 1..].iter().filter(|b| a.bounds.meets(&b.bounds)) {
            let mut say = |kind, places| found.push((kind, places));
            let starts = vec![a.edge.from, b.edge.from];
            if (a.polygon, a.ring) == (b.polygon, b.ring) {
                within_ring(a, b).into_iter().for_each(|kind| say(kind, starts.clone()));
                continue;
            }
            match contact(a, b) {
                Contact::Cross | Contact::Overlap => say(DefectKind::RingsOverlap, starts),
                Contact::Touch(at) if a.polygon == b.polygon => {
                    let point = (at.lon.to_bits(), at.lat.to_bits());
                    touches.extend([a, b].map(|edge| ((edge.polygon, edge.ring), point)));
                }
                Contact::Touch(_) | Contact::Apart => {}
            }
        }
    }
    if has_circle(&touches) {
        found.push((DefectKind::InsideCut, Vec::new()));
    }
    found
}

/// A ring of a polygon, and a point at which another touches it.
type Touch = ((usize, usize), (u64, u64));

/// Whether the graph of rings and points has a circle: it has more edges than a forest.
fn has_circle(touches: &HashSet<Touch>) -> bool {
    let mut rings: HashMap<_, usize> = HashMap::new();
    let mut points: HashMap<_, usize> = HashMap::new();
    for (ring, point) in touches {
        let next = rings.len();
        rings.entry(ring).or_insert(next);
        // Polygons touch one another freely.
        let next = points.len();
        points.entry((ring.0, point)).or_insert(next);
    }
    let nodes = rings.len() + points.len();
    let mut parts: Vec<usize> = (0..nodes).collect();
    for (ring, point) in touches {
        let (one, other) = (parts[rings[ring]], parts[rings.len() + points[&(ring.0, point)]]);
        parts.iter_mut().filter(|part| **part == one).for_each(|part| *part = other);
    }
    touches.len() > nodes - parts.iter().collect::<HashSet<_>>().len()
}

/// Corners of rings, and the middles of what the corners of all rings leave of their edges.
fn places<'a>(own: &'a [Ring], all: &'a [Vec<Ring>]) -> impl Iterator<Item = Vertex> + 'a {
    let corners = || all.iter().flatten().flat_map(Ring::vertices).copied();
    own.iter().flat_map(Ring::edges).flat_map(move |edge| {
        let is_on = |v: &Vertex| side(edge.from, edge.to, *v) == 0.0 && edge.bounds().holds(*v);
        let mut cuts: Vec<Vertex> = corners().filter(is_on).collect();
        cuts.sort_by(|a, b| a.lon.total_cmp(&b.lon).then(a.lat.total_cmp(&b.lat)));
        cuts.dedup();
        let middle = |pair: &[Vertex]| Vertex {
            lon: f64::midpoint(pair[0].lon, pair[1].lon),
            lat: f64::midpoint(pair[0].lat, pair[1].lat),
        };
        let middles: Vec<Vertex> = cuts.windows(2).map(middle).collect();
        std::iter::once(edge.from).chain(middles)
    })
}

fn has_misplaced_hole(rings: &[Ring]) -> bool {
    let shell = shape_of([&rings[0]]);
    let on_shell =
        |v: Vertex| rings[0].edges().any(|e| side(e.from, e.to, v) == 0.0 && e.bounds().holds(v));
    let holes = &rings[1..];
    holes.iter().enumerate().any(|(index, hole)| {
        let others = holes.iter().enumerate().filter(|(other, _)| *other != index);
        let others: Vec<_> = others.map(|(_, other)| shape_of([other])).collect();
        places(std::slice::from_ref(hole), &[rings.to_vec()]).any(|v| {
            let is_outside = !shell.contains(v) && !on_shell(v);
            is_outside || others.iter().any(|other| other.contains(v))
        })
    })
}

fn have_overlap(polygons: &[Vec<Ring>]) -> bool {
    let shapes: Vec<_> = polygons.iter().map(shape_of).collect();
    polygons.iter().enumerate().any(|(own, rings)| {
        places(rings, polygons).any(|place| {
            let mut others = shapes.iter().enumerate().filter(|(other, _)| *other != own);
            others.any(|(_, shape)| shape.contains(place))
        })
    })
}

/// What may be said of a zone; nothing if it is valid. No place means any.
fn reference(polygons: &[Vec<Ring>]) -> Vec<(DefectKind, Vec<Vertex>)> {
    if polygons.iter().flatten().any(|ring| ring.vertices().len() < 3) {
        return vec![(DefectKind::Collapsed, Vec::new())];
    }
    let found = of_edges(polygons);
    if !found.is_empty() {
        return found;
    }
    if polygons.iter().any(|rings| has_misplaced_hole(rings)) {
        return vec![(DefectKind::HoleMisplaced, Vec::new())];
    }
    let overlap = have_overlap(polygons).then_some((DefectKind::PolygonsOverlap, Vec::new()));
    overlap.into_iter().collect()
}

fn check(polygons: &[Vec<Ring>]) -> Option<DefectKind> {
    let allowed = reference(polygons);
    let Some((kind, at)) = find(polygons) else {
        assert!(allowed.is_empty(), "nothing found, not {allowed:?}: {polygons:?}");
        return None;
    };
    let fits = |(other, places): &(DefectKind, Vec<Vertex>)| {
        *other == kind && (places.is_empty() || places.contains(&at))
    };
    assert!(allowed.iter().any(fits), "{kind:?} at {at:?}, not {allowed:?}: {polygons:?}");
    Some(kind)
}

type Corners = Vec<(i8, i8)>;

/// A small ring: any corners, or a triangle or a rectangle, which are more often valid.
fn corners() -> impl Strategy<Value = Corners> {
    let rectangle = (0i8..6, 0i8..6, 1i8..4, 1i8..4)
        .prop_map(|(x, y, w, h)| vec![(x, y), (x + w, y), (x + w, y + h), (x, y + h)]);
    let diamond = (2i8..6, 2i8..6, 1i8..3, 1i8..3)
        .prop_map(|(x, y, w, h)| vec![(x - w, y), (x, y - h), (x + w, y), (x, y + h)]);
    let any = |sizes| proptest::collection::vec((0i8..8, 0i8..8), sizes);
    prop_oneof![3 => any(3..4), 1 => any(4..8), 3 => rectangle, 3 => diamond]
}

/// A small ring, a shell around the places of small ones with some of those as its holes, or one
/// that they need not be in.
fn polygon() -> impl Strategy<Value = Vec<Corners>> {
    let shell = (-2i8..3, 5i8..11)
        .prop_map(|(west, east)| vec![(west, west), (east, west), (east, east), (west, east)]);
    let holes = proptest::collection::vec(corners(), 0..4);
    let shell = prop_oneof![3 => shell, 1 => corners()];
    let holed = (shell, holes)
        .prop_map(|(shell, holes)| std::iter::once(shell).chain(holes).collect::<Vec<_>>());
    prop_oneof![corners().prop_map(|ring| vec![ring]), holed]
}

fn rings(polygons: &[(Vec<Corners>, (i8, i8))], unit: f64) -> Vec<Vec<Ring>> {
    let vertex = |(x, y): (i8, i8), shift: (i8, i8)| Vertex {
        lon: f64::from(x + shift.0) * unit,
        lat: f64::from(y + shift.1) * unit,
    };
    let ring =
        |ring: &Corners, shift| Ring::new(ring.iter().map(|at| vertex(*at, shift)).collect());
    let polygon =
        |(rings, shift): &(Vec<Corners>, _)| rings.iter().map(|r| ring(r, *shift)).collect();
    polygons.iter().map(polygon).collect()
}

fn shift() -> impl Strategy<Value = (i8, i8)> {
    prop_oneof![Just((0, 0)), (-9i8..10, -9i8..10)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4096) })]

    #[test]
    fn a_defect_is_one_that_comparing_all_pairs_finds(
        given in proptest::collection::vec((polygon(), shift()), 1..4),
        unit in prop_oneof![Just(1.0), Just(0.1), Just(1.0 / 3.0)],
    ) {
        check(&rings(&given, unit));
    }

    /// Products of such numbers are zero, which takes the order from the edges.
    #[test]
    fn numbers_next_to_zero_end_in_no_panic(
        given in proptest::collection::vec((polygon(), shift()), 1..4),
        unit in prop_oneof![Just(1e-162), Just(1e-200), Just(f64::MIN_POSITIVE)],
    ) {
        find(&rings(&given, unit));
    }
}

/// Edges that are neighbours at no corner, since those of others stand between them.
#[test]
fn what_meets_at_one_point_is_compared_across_others() {
    let kind = |polygons: &[&[(i8, i8)]]| {
        let given: Vec<_> = polygons.iter().map(|ring| (vec![ring.to_vec()], (0, 0))).collect();
        check(&rings(&given, 1.0))
    };
    // Two corners of one ring, from the west and from the east.
    let touch = [(0, 0), (2, 0), (1, 1), (2, 2), (0, 2), (1, 1)];
    assert_eq!(kind(&[&touch]), Some(DefectKind::SelfTouch));
    // The first two cross at 0, 0 and nowhere else; the third runs between them on both sides.
    let crossing: [&[(i8, i8)]; 2] = [&[(-4, -2), (4, 2), (4, -9)], &[(-4, 2), (4, -2), (6, 9)]];
    let between = [(-4, 0), (0, 0), (3, 0), (4, 2), (6, 9), (-6, 9)];
    let all = [crossing[0], crossing[1], &between];
    assert_eq!(kind(&all), Some(DefectKind::RingsOverlap));
    assert_ne!(kind(&[crossing[0], &between]), Some(DefectKind::RingsOverlap));
    assert_ne!(kind(&[crossing[1], &between]), Some(DefectKind::RingsOverlap));
}

#[test]
fn what_touches_is_looked_at_beyond_pairs_and_corners() {
    let square = |min, max| vec![(min, min), (max, min), (max, max), (min, max)];
    // All corners of the second lie on the first.
    let inscribed =
        [(vec![square(0, 10)], (0, 0)), (vec![vec![(5, 0), (10, 5), (5, 10), (0, 5)]], (0, 0))];
    assert_eq!(check(&rings(&inscribed, 1.0)), Some(DefectKind::PolygonsOverlap));
    // Shell, hole and hole touch one another once each, in a circle.
    let holes = [vec![(0, 5), (3, 7), (5, 5), (3, 3)], vec![(5, 5), (7, 7), (10, 5), (7, 3)]];
    let [one, other] = holes.clone();
    let cut = |holes: Vec<Corners>| {
        let polygon = std::iter::once(square(0, 10)).chain(holes).collect();
        check(&rings(&[(polygon, (0, 0))], 1.0))
    };
    assert_eq!(cut(holes.to_vec()), Some(DefectKind::InsideCut));
    assert_eq!((cut(vec![one]), cut(vec![other])), (None, None));
}

/// Comparing all pairs of these takes minutes.
#[test]
fn twenty_thousand_slivers_over_one_another_are_no_work() {
    let ring = |corners: [(f64, f64); 3]| {
        Ring::new(corners.map(|(lon, lat)| Vertex { lon, lat }).to_vec())
    };
    let each =
        |sliver: fn(f64) -> [(f64, f64); 3]| (0..20_000).map(move |n| ring(sliver(n.into())));
    let beside = |n: f64| [(n * 1e-3, 0.0), (n * 1e-3 + 5e-4, 0.0), (n * 1e-3 + 30.0, 40.0)];
    let above = |n: f64| [(0.0, n * 1e-3), (30.0, n * 1e-3), (15.0, n * 1e-3 + 5e-4)];
    let tiny = |n: f64| [(0.0, n * 1e-200), (1e-200, n * 1e-200), (0.0, (n + 0.5) * 1e-200)];
    let around = |n: f64| {
        let (one, other) = (n * 3e-4, n * 3e-4 + 1e-4);
        [(0.0, 0.0), (one.cos(), one.sin()), (other.cos(), other.sin())]
    };
    for slivers in [beside, above, tiny as fn(f64) -> _] {
        let polygons: Vec<_> = each(slivers).map(|ring| vec![ring]).collect();
        assert_eq!(find(&polygons), None);
    }
    let shell = ring([(-9.0, -9.0), (150.0, -9.0), (-9.0, 150.0)]);
    for holes in [beside, above, around as fn(f64) -> _] {
        let polygon: Vec<_> = std::iter::once(shell.clone()).chain(each(holes)).collect();
        assert_eq!(find(&[polygon]), None);
    }
}

/// Every kind is met, and so are zones without a defect of some size.
#[test]
fn the_given_zones_have_all_kinds_of_defects_and_none() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let given = proptest::collection::vec((polygon(), shift()), 1..4);
    let mut counts = HashMap::new();
    for _ in 0..4096 {
        let polygons = given.new_tree(&mut runner).unwrap().current();
        let (kind, holes) = (check(&rings(&polygons, 1.0)), polygons[0].0.len() - 1);
        *counts.entry(format!("{kind:?} {}", kind.is_none() && holes > 1)).or_insert(0) += 1;
    }
    assert!(counts.len() == 9 && counts.values().all(|count| *count >= 10), "{counts:?}");
}
