//! GeoJSON (RFC 7946) text to named rings, with errors that name the feature.

use super::ring::{Bounds, Ring, Vertex};
use super::zones::ZonesError;
use compact_str::{CompactString, ToCompactString};
use serde::Serialize;
use serde_json::Value;

/// Longest name of a zone, in bytes, as of any other entity.
const MAX_NAME_BYTES: usize = 256;
/// Bytes of a wrong file's text that an error cites.
const MAX_CITED_BYTES: usize = 64;

/// A feature of a file: its name and, per polygon, the shell and the holes.
#[derive(Debug)]
pub(super) struct Feature {
    pub(super) name: CompactString,
    pub(super) number: usize,
    pub(super) polygons: Vec<Vec<Ring>>,
    /// As it is drawn on a map: GeoJSON with the properties that a map needs.
    pub(super) text: Box<str>,
}

/// What is drawn of a feature.
#[derive(Serialize)]
struct Drawn<'a> {
    r#type: &'static str,
    id: &'a str,
    properties: Called,
    geometry: &'a Value,
}

/// What people call a feature.
#[derive(Serialize)]
struct Called {
    name: CompactString,
}

fn drawn(
    id: &str,
    called: Option<CompactString>,
    geometry: &Value,
) -> Result<Box<str>, ZonesError> {
    let properties = Called { name: called.unwrap_or_else(|| id.into()) };
    let drawn = Drawn { r#type: "Feature", id, properties, geometry };
    let text = serde_json::to_string(&drawn);
    text.map(String::into_boxed_str).map_err(|error| ZonesError::NotGeoJson(error.to_string()))
}

/// Reads a feature collection, a feature or a bare geometry, after a byte order mark or without.
pub(super) fn read(text: &str, max_vertices: usize) -> Result<Vec<Feature>, ZonesError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root: Value =
        serde_json::from_str(text).map_err(|e| ZonesError::NotGeoJson(e.to_string()))?;
    let mut budget = Budget { left: max_vertices, limit: max_vertices };
    match kind(&root) {
        Some("FeatureCollection") => {
            let features = root.get("features").and_then(Value::as_array).ok_or_else(|| {
                ZonesError::NotGeoJson("the collection has no array `features`".to_owned())
            })?;
            let numbered = features.iter().enumerate();
            numbered.map(|(number, value)| feature(value, number, &mut budget)).collect()
        }
        Some("Feature") => Ok(vec![feature(&root, 0, &mut budget)?]),
        Some(_) => Ok(vec![bare_geometry(&root, &mut budget)?]),
        None => Err(ZonesError::NotGeoJson("the root object has no `type`".to_owned())),
    }
}

fn kind(value: &Value) -> Option<&str> {
    value.get("type")?.as_str()
}

fn bare_geometry(root: &Value, budget: &mut Budget) -> Result<Feature, ZonesError> {
    let name = CompactString::const_new("0");
    let reader = Reader { number: 0, name: &name, budget };
    let polygons = reader.geometry(root)?;
    let text = drawn(&name, None, root)?;
    Ok(Feature { name, number: 0, polygons, text })
}

fn feature(value: &Value, number: usize, budget: &mut Budget) -> Result<Feature, ZonesError> {
    let name = name_of(value).unwrap_or_else(|| number.to_compact_string());
    let called = property(value, "name");
    let mut names = std::iter::once(&name).chain(&called);
    if let Some(long) = names.find(|name| name.len() > MAX_NAME_BYTES) {
        let problem = format!("has a name of {} bytes, allowed are {MAX_NAME_BYTES}", long.len());
        let hint = "give it a shorter `id` or `name` property";
        return Err(ZonesError::Feature { number, name: cited(&name).into(), problem, hint });
    }
    let reader = Reader { number, name: &name, budget };
    if kind(value) != Some("Feature") {
        return Err(reader.refuse("is not of type `Feature`", "wrap each geometry in a feature"));
    }
    let geometry = value.get("geometry").unwrap_or(&Value::Null);
    let polygons = reader.geometry(geometry)?;
    let text = drawn(&name, called, geometry)?;
    Ok(Feature { name, number, polygons, text })
}

/// The `id` property, else the GeoJSON `id`, else the `name` property.
fn name_of(feature: &Value) -> Option<CompactString> {
    let id = property(feature, "id").or_else(|| text_of(feature.get("id")));
    id.or_else(|| property(feature, "name"))
}

fn property(feature: &Value, name: &str) -> Option<CompactString> {
    text_of(feature.get("properties")?.get(name))
}

fn text_of(value: Option<&Value>) -> Option<CompactString> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.into()),
        Value::Number(number) => Some(number.to_compact_string()),
        _ => None,
    }
}

/// The beginning of what may be long.
fn cited(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_CITED_BYTES);
    format!("{}{}", &text[..end], if end < text.len() { "…" } else { "" })
}

/// How many vertices may still come.
struct Budget {
    left: usize,
    limit: usize,
}

/// Reads the geometry of one feature.
struct Reader<'a> {
    number: usize,
    name: &'a CompactString,
    budget: &'a mut Budget,
}

impl Reader<'_> {
    fn refuse(&self, problem: impl Into<String>, hint: &'static str) -> ZonesError {
        let (number, name) = (self.number, self.name.clone());
        ZonesError::Feature { number, name, problem: problem.into(), hint }
    }

    fn geometry(mut self, geometry: &Value) -> Result<Vec<Vec<Ring>>, ZonesError> {
        let none = Vec::new();
        let coordinates = geometry.get("coordinates").and_then(Value::as_array).unwrap_or(&none);
        let polygons = match kind(geometry) {
            Some("Polygon") => vec![self.polygon(coordinates)?],
            Some("MultiPolygon") => {
                let polygons = coordinates.iter().map(|one| {
                    let rings = one.as_array().ok_or_else(|| self.not_rings())?;
                    self.polygon(rings)
                });
                polygons.collect::<Result<_, _>>()?
            }
            Some(other) => {
                return Err(self.refuse(
                    format!("has a geometry of type `{}`", cited(other)),
                    "a zone is a Polygon or a MultiPolygon: buffer points and lines into polygons",
                ));
            }
            None => {
                return Err(self.refuse("has no geometry", "give it a Polygon or remove it"));
            }
        };
        if polygons.is_empty() {
            return Err(self.not_rings());
        }
        Ok(polygons)
    }

    fn not_rings(&self) -> ZonesError {
        self.refuse(
            "has no rings in its `coordinates`",
            "a Polygon holds arrays of positions, a MultiPolygon holds arrays of Polygons",
        )
    }

    fn polygon(&mut self, rings: &[Value]) -> Result<Vec<Ring>, ZonesError> {
        let read = rings.iter().enumerate().map(|(index, ring)| self.ring(ring, index));
        let mut rings = read.collect::<Result<Vec<_>, _>>()?;
        let Some((shell, holes)) = rings.split_first_mut() else { return Err(self.not_rings()) };
        let bounds = shell.bounds();
        holes.iter_mut().for_each(|hole| hole.move_into(&bounds));
        Ok(rings)
    }

    fn ring(&mut self, ring: &Value, index: usize) -> Result<Ring, ZonesError> {
        let positions = ring.as_array().ok_or_else(|| self.not_rings())?;
        let count = positions.len();
        if count < 4 {
            return Err(self.refuse(
                format!("has {count} positions in ring {index}"),
                "a ring needs at least 4: three corners and the first again",
            ));
        }
        if count > self.budget.left {
            return Err(ZonesError::TooManyVertices { limit: self.budget.limit });
        }
        self.budget.left -= count;
        let vertices = positions.iter().map(|position| self.vertex(position, index));
        let vertices = vertices.collect::<Result<Vec<_>, _>>()?;
        if vertices.first() != vertices.last() {
            return Err(self.refuse(
                format!("has an unclosed ring {index}"),
                "repeat the first position of the ring as its last",
            ));
        }
        Ok(Ring::new(vertices))
    }

    fn vertex(&self, position: &Value, ring: usize) -> Result<Vertex, ZonesError> {
        let numbers = position.as_array().map(Vec::as_slice).unwrap_or_default();
        let at = |index: usize| numbers.get(index).and_then(Value::as_f64);
        let valid = Bounds { west: -180.0, south: -90.0, east: 180.0, north: 90.0 };
        match (at(0), at(1)) {
            (Some(lon), Some(lat)) if valid.holds(Vertex { lon, lat }) => Ok(Vertex { lon, lat }),
            (Some(_), Some(_)) => Err(self.refuse(
                format!(
                    "has the position {} in ring {ring}, which is out of range",
                    cited(&position.to_string())
                ),
                "write [longitude, latitude] in degrees, -180..180 and -90..90",
            )),
            _ => Err(self.refuse(
                format!(
                    "has {} in ring {ring} where a position should be",
                    cited(&position.to_string())
                ),
                "write [longitude, latitude] in degrees",
            )),
        }
    }
}
