//! Reads zones from GeoJSON (RFC 7946).

use super::zones::{Ring, Zone, Zones};
use geojson::{Feature, GeoJson, GeometryValue, Position};
use serde_json::Value;
use std::collections::BTreeSet;
use waystream_engine::error::{JobError, Result};

impl Zones {
    /// Reads zones from GeoJSON text: features of polygons and multipolygons, with holes. A zone's
    /// name is its feature's `id` property, else its `id`, else its `name` property, else its
    /// number. A ring that crosses the antimeridian may step over it; it is unrolled.
    ///
    /// # Errors
    /// Names the feature and what is wrong with it.
    ///
    /// ```
    /// let zones = waystream_operators::Zones::from_geojson(
    ///     r#"{"type":"Feature","properties":{"id":"pier"},"geometry":
    ///        {"type":"Polygon","coordinates":[[[0,0],[2,0],[2,2],[0,2],[0,0]]]}}"#,
    /// ).unwrap();
    /// assert_eq!(zones.containing(1.0, 1.0).map(|zone| zone.name()).collect::<Vec<_>>(), ["pier"]);
    /// assert_eq!(zones.containing(0.0, 1.0).count(), 0); // exactly on the edge
    /// ```
    pub fn from_geojson(text: &str) -> Result<Self> {
        let document: GeoJson = text.parse().map_err(|error: geojson::Error| {
            JobError::configuration("zones are not GeoJSON").caused_by(error)
        })?;
        let features = match document {
            GeoJson::FeatureCollection(collection) => collection.features,
            GeoJson::Feature(feature) => vec![feature],
            GeoJson::Geometry(geometry) => vec![Feature::from(geometry)],
        };
        let mut names = BTreeSet::new();
        let mut zones = Vec::new();
        for (number, feature) in features.into_iter().enumerate() {
            let zone = zone(number, feature)?;
            if !names.insert(zone.name.clone()) {
                let what = format!("two zones are named `{}`", zone.name);
                return Err(JobError::configuration(what)
                    .hint("crossings name their zone: give every feature its own `id`"));
            }
            zones.push(zone);
        }
        Ok(Self::of(zones))
    }
}

fn zone(number: usize, feature: Feature) -> Result<Zone> {
    let name = name_of(number, &feature);
    let bad = |what: String| JobError::configuration(format!("zone `{name}`: {what}"));
    let geometry = feature.geometry.ok_or_else(|| bad("has no geometry".to_owned()))?;
    let polygons = match geometry.value {
        GeometryValue::Polygon { coordinates } => vec![coordinates],
        GeometryValue::MultiPolygon { coordinates } => coordinates,
        _ => return Err(bad("only polygons and multipolygons can be zones".to_owned())),
    };
    let mut zone = Zone { name: name.clone(), polygons: Vec::new(), defect: None };
    for polygon in polygons {
        let rings: Result<Vec<Ring>, String> = polygon.iter().map(|ring| ring_of(ring)).collect();
        let rings = rings.map_err(bad)?;
        if !rings.is_empty() {
            zone.polygons.push(rings);
        }
    }
    zone.defect = zone.polygons.iter().flatten().find_map(touches_itself);
    Ok(zone)
}

fn name_of(number: usize, feature: &Feature) -> String {
    let property = |name: &str| match feature.property(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let id = || match feature.id.as_ref()? {
        geojson::feature::Id::String(text) => Some(text.clone()),
        geojson::feature::Id::Number(number) => Some(number.to_string()),
    };
    property("id").or_else(id).or_else(|| property("name")).unwrap_or_else(|| number.to_string())
}

/// Checks a ring and unrolls it over the antimeridian.
fn ring_of(positions: &[Position]) -> Result<Ring, String> {
    if positions.len() < 4 {
        return Err(format!("a ring has {} positions, at least 4 are needed", positions.len()));
    }
    let mut ring = Vec::with_capacity(positions.len());
    for position in positions {
        let [lon, lat, ..] = position.as_slice() else {
            return Err("a position has no latitude".to_owned());
        };
        if !(-180.0..=180.0).contains(lon) || !(-90.0..=90.0).contains(lat) {
            return Err(format!("the position {lon}, {lat} is not longitude, latitude in degrees"));
        }
        let before = ring.last().map_or(*lon, |(before, _): &(f64, f64)| *before);
        let turns = ((before - lon) / 360.0).round();
        ring.push((lon + turns * 360.0, *lat));
    }
    if positions[0] != positions[positions.len() - 1] {
        return Err("a ring is not closed: its last position must be its first".to_owned());
    }
    ring.pop();
    ring.dedup();
    Ok(ring)
}

/// A position that a ring passes twice is a defect that real data has.
fn touches_itself(ring: &Ring) -> Option<String> {
    let mut seen = BTreeSet::new();
    let twice = ring.iter().find(|(lon, lat)| !seen.insert((lon.to_bits(), lat.to_bits())))?;
    Some(format!("a ring passes {}, {} twice", twice.0, twice.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_zone_is_refused_by_name() {
        let polygon = |ring: &str| {
            format!(
                r#"{{"type":"Feature","properties":{{"name":"q"}},"geometry":{{"type":"Polygon","coordinates":[{ring}]}}}}"#
            )
        };
        let cases = [
            ("nonsense", "not GeoJSON"),
            (&polygon("[[0,0],[1,0],[0,0]]"), "at least 4"),
            (&polygon("[[0,0],[1,0],[1,1],[0,1]]"), "not closed"),
            (&polygon("[[0,0],[1,0],[1,91],[0,0]]"), "not longitude, latitude"),
            (r#"{"type":"Point","coordinates":[0,0]}"#, "only polygons"),
        ];
        for (text, expected) in cases {
            let error = Zones::from_geojson(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
