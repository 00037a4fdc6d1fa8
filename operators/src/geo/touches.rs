//! Where rings of one polygon touch, and whether two of them do so twice.

use super::contacts::Tagged;
use super::ring::Vertex;

/// A graph of rings and the points at which they touch others of their polygon.
#[derive(Debug, Default)]
pub(super) struct Touches {
    points: Vec<Vertex>,
    /// A ring and the number of a point.
    pairs: Vec<(u32, u32)>,
}

impl Touches {
    /// Takes the edges that meet at one point, those of a ring and of a polygon together.
    pub(super) fn add<'a>(&mut self, at: Vertex, edges: impl Iterator<Item = &'a Tagged>) {
        let mut before: Option<&Tagged> = None;
        let mut is_new = true;
        for edge in edges {
            let same_polygon = before.filter(|before| before.polygon == edge.polygon);
            match same_polygon {
                None => is_new = true,
                Some(before) if before.ring != edge.ring => {
                    if is_new {
                        self.points.push(at);
                        self.pairs.push((before.ring, self.points.len() as u32 - 1));
                        is_new = false;
                    }
                    self.pairs.push((edge.ring, self.points.len() as u32 - 1));
                }
                Some(_) => {}
            }
            before = Some(edge);
        }
    }

    /// A point at which two rings touch that also touch elsewhere: a circle of two rings and two
    /// points (N. Chiba, T. Nishizeki, "Arboricity and Subgraph Listing Algorithms", 1985). Rings
    /// that do not cross make a planar graph, in which this takes linear time.
    pub(super) fn twice(&self) -> Option<Vertex> {
        let first_ring = self.points.len() as u32;
        let rings = self.pairs.iter().map(|(ring, _)| *ring + 1).max().unwrap_or(0);
        let mut beside = vec![Vec::new(); self.points.len() + rings as usize];
        for (ring, point) in &self.pairs {
            beside[(first_ring + ring) as usize].push(*point);
            beside[*point as usize].push(first_ring + ring);
        }
        let mut nodes: Vec<u32> = (0..beside.len() as u32).collect();
        nodes.sort_by_key(|node| std::cmp::Reverse(beside[*node as usize].len()));
        let mut is_done = vec![false; beside.len()];
        let mut seen_from = vec![u32::MAX; beside.len()];
        for node in nodes {
            for middle in beside[node as usize].iter().filter(|middle| !is_done[**middle as usize])
            {
                for far in &beside[*middle as usize] {
                    if *far == node || is_done[*far as usize] {
                        continue;
                    }
                    if seen_from[*far as usize] == node {
                        return self.points.get(*middle.min(far) as usize).copied();
                    }
                    seen_from[*far as usize] = node;
                }
            }
            is_done[node as usize] = true;
        }
        None
    }
}
