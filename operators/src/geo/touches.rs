//! Where rings of one polygon touch, and whether they do so in a circle.

use super::contacts::Tagged;
use super::ring::Vertex;

/// Rings and the points at which they touch others of their polygon, as nodes of a graph. A circle in
/// it goes around a part of the inside, which is then cut off from the rest.
#[derive(Debug)]
pub(super) struct Touches {
    /// Each node's parent; who is its own is the root of those that are joined.
    parents: Vec<u32>,
    /// Where the first circle was closed.
    pub(super) circle: Option<Vertex>,
}

impl Touches {
    /// Of so many rings that do not touch yet.
    pub(super) fn new(rings: usize) -> Self {
        Self { parents: (0..rings as u32).collect(), circle: None }
    }

    /// Takes the edges that meet at one point, those of a ring and of a polygon together.
    pub(super) fn add<'a>(&mut self, at: Vertex, edges: impl Iterator<Item = &'a Tagged>) {
        let mut before: Option<&Tagged> = None;
        let mut point = None;
        for edge in edges {
            let same_polygon = before.filter(|before| before.polygon == edge.polygon);
            match same_polygon {
                None => point = None,
                Some(before) if before.ring != edge.ring => {
                    let point = *point.get_or_insert_with(|| self.new_point(before.ring));
                    self.join(edge.ring, point, at);
                }
                Some(_) => {}
            }
            before = Some(edge);
        }
    }

    /// A point that one ring touches.
    fn new_point(&mut self, ring: u32) -> u32 {
        let point = self.parents.len() as u32;
        self.parents.push(ring);
        point
    }

    fn join(&mut self, ring: u32, point: u32, at: Vertex) {
        let (ring, point) = (self.root(ring), self.root(point));
        if ring == point {
            self.circle.get_or_insert(at);
        }
        self.parents[ring as usize] = point;
    }

    /// The root of a node; halves the way to it.
    fn root(&mut self, mut node: u32) -> u32 {
        while self.parents[node as usize] != node {
            let parent = self.parents[node as usize];
            self.parents[node as usize] = self.parents[parent as usize];
            node = parent;
        }
        node
    }
}
