//! A meridian that moves east over edges, and what it meets at each corner.
//!
//! The edges that it cuts are kept in order from south to north, so that edges which cross are
//! neighbours before they do (M. I. Shamos, D. Hoey, "Geometric Intersection Problems", 1976). Of
//! two places on one meridian the southern comes first, as if the meridian leaned a little; so a
//! vertical edge is one like any other. Time grows as `n log n` with the number of edges.

use super::ring::{Bounds, Edge, Vertex, side};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// What stands at a corner. Edges are told by their numbers, in order from south to north.
#[derive(Debug)]
pub(super) struct Corner<'a> {
    pub(super) at: Vertex,
    /// Those that come from the west, to end here or to go through.
    pub(super) west: &'a [u32],
    /// Those that go on to the east.
    pub(super) east: &'a [u32],
    /// The next one south of the corner.
    pub(super) below: Option<u32>,
    /// The next one north of it.
    pub(super) above: Option<u32>,
}

/// Which of two places the meridian meets first.
pub(super) fn order(a: Vertex, b: Vertex) -> Ordering {
    let of = |a: f64, b: f64| a.partial_cmp(&b).unwrap_or(Ordering::Equal);
    of(a.lon, b.lon).then(of(a.lat, b.lat))
}

/// Calls `visit` with each corner of the edges until it finds something. The order of edges is true
/// as long as none of those that the meridian has passed cross or overlap: who looks for such pairs
/// stops at the first, and finds it among those that are neighbours at a corner or meet there.
pub(super) fn sweep<T>(
    edges: impl Iterator<Item = Edge>,
    mut visit: impl FnMut(&Corner<'_>) -> Option<T>,
) -> Option<T> {
    let spans: Vec<_> = edges.zip(0..).map(|(edge, number)| Span::of(edge, number)).collect();
    let sorted = |place: fn(&Span) -> Vertex| {
        let mut sorted: Vec<_> = spans.iter().collect();
        sorted.sort_by(|a, b| order(place(a), place(b)));
        sorted.into_iter().peekable()
    };
    let (mut starts, mut ends) = (sorted(|span| span.first), sorted(|span| span.last));
    let mut cut: BTreeSet<Span> = BTreeSet::new();
    let (mut west, mut east) = (Vec::new(), Vec::new());
    while let Some(end) = ends.peek() {
        let at = match starts.peek() {
            Some(start) if order(start.first, end.last).is_lt() => start.first,
            _ => end.last,
        };
        let point = Span { first: at, last: at, number: None };
        let below = cut.range(..point).next_back().and_then(|span| span.number);
        meeting(&cut, point, &mut west);
        while let Some(span) = ends.next_if(|span| span.last == at) {
            cut.remove(span);
        }
        while let Some(span) = starts.next_if(|span| span.first == at) {
            cut.insert(*span);
        }
        let above = meeting(&cut, point, &mut east);
        let found = visit(&Corner { at, west: &west, east: &east, below, above });
        if found.is_some() {
            return found;
        }
    }
    None
}

/// Puts the edges that a point lies on into `found`, and says which is the next north of them.
fn meeting(cut: &BTreeSet<Span>, point: Span, found: &mut Vec<u32>) -> Option<u32> {
    found.clear();
    for span in cut.range(point..) {
        // Where numbers are so small that products vanish, all places seem to be on the line.
        let is_near = Bounds::around([span.first, span.last]).holds(point.first);
        if !is_near || side(span.first, span.last, point.first) != 0.0 {
            return span.number;
        }
        found.extend(span.number);
    }
    None
}

/// An edge as the meridian meets it; without a number it is a point, which stands south of the
/// edges that it lies on.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: Vertex,
    last: Vertex,
    number: Option<u32>,
}

impl Span {
    fn of(edge: Edge, number: u32) -> Self {
        let (first, last) = match order(edge.from, edge.to) {
            Ordering::Less => (edge.from, edge.to),
            _ => (edge.to, edge.from),
        };
        Self { first, last, number: Some(number) }
    }

    /// How much farther north another stands, which the meridian meets later or at the same place.
    fn north(&self, later: &Self) -> f64 {
        let start = side(self.first, self.last, later.first);
        if start == 0.0 { side(self.first, self.last, later.last) } else { start }
    }
}

impl Ord for Span {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.number == other.number {
            return Ordering::Equal;
        }
        let north = match order(self.first, other.first) {
            Ordering::Greater => -other.north(self),
            _ => self.north(other),
        };
        let standing = 0.0.partial_cmp(&north).unwrap_or(Ordering::Equal);
        standing.then(self.number.cmp(&other.number))
    }
}

impl PartialOrd for Span {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Span {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Span {}
