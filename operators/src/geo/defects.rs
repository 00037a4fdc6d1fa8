//! What is wrong with a polygon: the first break of the OGC rules for simple features in it.

use super::contacts;
use super::coverage;
use super::ring::{Ring, Vertex};
use compact_str::CompactString;
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
    /// Rings of a polygon touch in a circle, two of them twice or more in turn, which cuts its inside in
    /// two.
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
            Self::InsideCut => "rings touch in a circle, which cuts the inside in two",
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

/// The first defect of a zone, if it has one: what lies over what is asked when no edges cross.
pub(super) fn find(polygons: &[Vec<Ring>]) -> Option<(DefectKind, Vertex)> {
    let hole = || polygons.iter().find_map(coverage::misplaced_hole);
    collapsed(polygons)
        .map(|at| (DefectKind::Collapsed, at))
        .or_else(|| contacts::find(polygons))
        .or_else(|| Some((DefectKind::HoleMisplaced, hole()?)))
        .or_else(|| Some((DefectKind::PolygonsOverlap, coverage::overlapping(polygons)?)))
}

fn collapsed(polygons: &[Vec<Ring>]) -> Option<Vertex> {
    let ring = polygons.iter().flatten().find(|ring| ring.vertices().len() < 3)?;
    Some(ring.vertices().first().copied().unwrap_or(Vertex { lon: 0.0, lat: 0.0 }))
}
