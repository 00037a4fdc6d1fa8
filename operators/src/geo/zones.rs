//! An immutable set of named zones, and the question which of them hold a position.

use super::defects::{self, Defect};
use super::geojson::{self, Feature};
use super::position::Position;
use super::ring::{Edge, Ring, Vertex};
use super::shape::Shape;
use super::zone_index::ZoneIndex;
use compact_str::CompactString;
use waystream_engine::error::JobError;

/// A set of zones, loaded from GeoJSON.
///
/// A position is in a zone if it lies strictly inside: exactly on an edge, of a shell, of a hole,
/// or shared by two polygons of one zone, it is outside (the `contains` of OGC simple features).
/// Edges are straight in longitude and latitude. The answer is exact; it does not depend on
/// rounding, as long as no two different coordinates are closer than 1e-150 degrees. Where rings overlap, which valid polygons do not, the even-odd rule decides.
///
/// A ring whose neighbouring positions are more than 180 and less than 360 degrees of longitude
/// apart crosses the antimeridian; such a zone is tested at the longitude and a full turn to
/// either side. A ring that goes round a pole is taken as it is written.
///
/// Zones are numbered from 0 in the order of their names. Numbers are of this set only; names are
/// what outlives it.
///
/// ```
/// use waystream_operators::{Position, Zones};
///
/// let text = r#"{"type": "Feature", "properties": {"id": "harbour"}, "geometry": {
///     "type": "Polygon", "coordinates": [[[9.9, 53.5], [10, 53.5], [10, 53.6], [9.9, 53.5]]]}}"#;
/// let zones = Zones::from_geojson(text)?;
/// let mut found = Vec::new();
/// zones.containing(Position::new(53.52, 9.97)?, &mut found);
/// assert_eq!(zones.name(found[0]), "harbour");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Zones {
    zones: Vec<Zone>,
    index: ZoneIndex,
    defects: Vec<Defect>,
    crosses_antimeridian: bool,
}

#[derive(Debug)]
struct Zone {
    name: CompactString,
    shape: Shape,
    feature: Box<str>,
}

/// How zones are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZoneSettings {
    /// Refuse zones with a [`Defect`] instead of reporting them.
    pub strict: bool,
    /// How many positions all rings may have together.
    pub max_vertices: usize,
}

impl Default for ZoneSettings {
    /// Defects are reported; at most two million positions.
    fn default() -> Self {
        Self { strict: false, max_vertices: 2_000_000 }
    }
}

/// Why a text is no set of zones.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZonesError {
    /// It is not JSON, or not GeoJSON.
    #[error("the zones are not GeoJSON: {0}")]
    NotGeoJson(String),
    /// A feature is no zone.
    #[error("zone `{name}` (feature {number}) {problem}")]
    Feature {
        /// Number of the feature, from 0.
        number: usize,
        /// Its name.
        name: CompactString,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// There are more positions than allowed.
    #[error("the zones have more than {limit} positions")]
    TooManyVertices {
        /// How many are allowed.
        limit: usize,
    },
    /// Two features have the same name.
    #[error("features {first} and {second} are both named `{name}`")]
    SameName {
        /// The name.
        name: CompactString,
        /// Number of one feature.
        first: usize,
        /// Number of the other.
        second: usize,
    },
    /// Some polygons are invalid and that was not allowed.
    #[error("not all zones are valid polygons: {}", listed(.0))]
    Invalid(Vec<Defect>),
}

/// The defects, one after the other, as many as fit a message.
fn listed(defects: &[Defect]) -> String {
    const MOST: usize = 20;
    let mut said: Vec<_> = defects.iter().take(MOST).map(ToString::to_string).collect();
    if defects.len() > MOST {
        said.push(format!("and {} more", defects.len() - MOST));
    }
    said.join("; ")
}

impl ZonesError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotGeoJson(_) => "give a FeatureCollection of Polygons and MultiPolygons",
            Self::Feature { hint, .. } => hint,
            Self::TooManyVertices { .. } => "simplify the polygons, or raise `max_vertices`",
            Self::SameName { .. } => "give each feature its own `id` property",
            Self::Invalid(_) => {
                "repair them (ST_MakeValid, shapely.make_valid), or do not be strict"
            }
        }
    }
}

impl From<ZonesError> for JobError {
    fn from(error: ZonesError) -> Self {
        Self::configuration(error.to_string()).hint(error.hint())
    }
}

impl Default for Zones {
    /// No zones.
    fn default() -> Self {
        Self::new(Vec::new(), Vec::new())
    }
}

impl Zones {
    /// Loads a GeoJSON FeatureCollection, Feature or geometry with [`ZoneSettings::default`].
    ///
    /// The name of a zone is the feature's `id` property, else its GeoJSON `id`, else its `name`
    /// property, else its number in the file, from 0. A name has at most 256 bytes.
    ///
    /// # Errors
    /// If the text is not GeoJSON, or a feature is no polygon; the error names the feature.
    pub fn from_geojson(text: &str) -> Result<Self, ZonesError> {
        Self::from_geojson_with(text, ZoneSettings::default())
    }

    /// The same with these settings.
    ///
    /// # Errors
    /// As [`Self::from_geojson`], and if `strict` is set and a zone has a defect.
    pub fn from_geojson_with(text: &str, settings: ZoneSettings) -> Result<Self, ZonesError> {
        let mut features = geojson::read(text, settings.max_vertices)?;
        features.sort_by(|a, b| a.name.cmp(&b.name).then(a.number.cmp(&b.number)));
        if let Some([a, b]) = features.array_windows().find(|[a, b]| a.name == b.name) {
            let (name, first, second) = (a.name.clone(), a.number, b.number);
            return Err(ZonesError::SameName { name, first, second });
        }
        let defects: Vec<_> = features.iter().filter_map(defect_of).collect();
        if settings.strict && !defects.is_empty() {
            return Err(ZonesError::Invalid(defects));
        }
        Ok(Self::new(features, defects))
    }

    fn new(features: Vec<Feature>, defects: Vec<Defect>) -> Self {
        let zone = |feature: Feature| {
            let edges: Vec<Edge> =
                feature.polygons.iter().flatten().flat_map(Ring::edges).collect();
            Zone { name: feature.name, shape: Shape::new(&edges), feature: feature.text }
        };
        let zones: Vec<_> = features.into_iter().map(zone).collect();
        let shapes: Vec<_> = zones.iter().map(|zone| &zone.shape).collect();
        let crosses =
            shapes.iter().any(|shape| shape.bounds.west < -180.0 || shape.bounds.east > 180.0);
        let index = ZoneIndex::new(&shapes);
        Self { zones, index, defects, crosses_antimeridian: crosses }
    }

    /// Puts the numbers of all zones that contain the position into `found`, in ascending order.
    /// What `found` held before is gone.
    pub fn containing(&self, position: Position, found: &mut Vec<u32>) {
        found.clear();
        let (lat, lon) = (position.lat(), position.lon());
        let mut at = |lon| {
            let shape_of = |zone: u32| &self.zones[zone as usize].shape;
            self.index.visit(Vertex { lon, lat }, shape_of, |zone| found.push(zone));
        };
        at(lon);
        if self.crosses_antimeridian {
            at(lon - 360.0);
            at(lon + 360.0);
        }
        if found.len() > 1 {
            found.sort_unstable();
            found.dedup();
        }
    }

    /// The name of a zone of this set.
    ///
    /// # Panics
    /// If there is no such zone.
    #[must_use]
    pub fn name(&self, zone: u32) -> &CompactString {
        &self.zones[zone as usize].name
    }

    /// The names of all zones, in order.
    pub fn names(&self) -> impl Iterator<Item = &CompactString> {
        self.zones.iter().map(|zone| &zone.name)
    }

    /// The zone of this name as a GeoJSON feature, to be drawn; its property `name` is for people.
    #[must_use]
    pub fn feature(&self, name: &str) -> Option<&str> {
        let at = self.zones.binary_search_by(|zone| zone.name.as_str().cmp(name)).ok()?;
        Some(&self.zones[at].feature)
    }

    /// How many zones there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.zones.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }

    /// The zones that are no valid polygons, with the first defect of each, in order of name.
    #[must_use]
    pub fn defects(&self) -> &[Defect] {
        &self.defects
    }
}

fn defect_of(feature: &Feature) -> Option<Defect> {
    let (kind, Vertex { lon, lat }) = defects::find(&feature.polygons)?;
    let lon = (lon + 180.0).rem_euclid(360.0) - 180.0;
    Some(Defect { zone: feature.name.clone(), feature: feature.number, kind, lat, lon })
}

#[cfg(test)]
impl Zones {
    /// Some corners of all zones.
    pub(super) fn sample_corners(&self, count: usize) -> Vec<Position> {
        let edges: Vec<_> =
            self.zones.iter().flat_map(|zone| zone.shape.edges_between(-90.0, 90.0)).collect();
        let some = edges.iter().step_by(edges.len().div_ceil(count).max(1));
        some.filter_map(|edge| Position::new(edge.from.lat, edge.from.lon).ok()).collect()
    }

    /// Asks every zone.
    pub(super) fn containing_by_search(&self, position: Position) -> Vec<u32> {
        let point = Vertex { lon: position.lon(), lat: position.lat() };
        let zones = self.zones.iter().zip(0..);
        zones.filter(|(zone, _)| zone.shape.contains(point)).map(|(_, number)| number).collect()
    }
}
