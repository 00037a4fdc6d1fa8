//! Finding the zones around a position among a thousand polygons.

use crate::keys::scatter;
use crate::{Figure, Scale, cpu};
use serde_json::json;
use std::error::Error;
use waystream::operators::{Position, Zones};

const POLYGONS: u64 = 1_000;
const CORNERS: u64 = 12;
const POSITIONS: u64 = 20_000_000;

pub fn measure(scale: Scale) -> Result<Figure, Box<dyn Error>> {
    let features: Vec<_> = (0..POLYGONS).map(polygon).collect();
    let collection = json!({ "type": "FeatureCollection", "features": features });
    let zones = Zones::from_geojson(&collection.to_string())?;
    let positions = scale.of(POSITIONS);
    let (mut found, mut inside) = (Vec::new(), 0);
    let before_s = cpu::seconds()?;
    for n in 0..positions {
        let position =
            Position::clamped(37.5 + unit(2 * n) * 0.54, -122.8 + unit(2 * n + 1) * 0.68);
        zones.containing(position, &mut found);
        inside += found.len();
    }
    let value = (cpu::seconds()? - before_s) / positions as f64 * 1e6;
    if inside == 0 {
        return Err("no position was in any zone".into());
    }
    Ok(Figure { value, unit: "us CPU per position, 1,000 polygons", goal: Some(0.5) })
}

/// A ragged ring, 200 to 1,600 m from its middle, in an area of 60 km by 60 km.
fn polygon(id: u64) -> serde_json::Value {
    let of = |n: u64| unit((id + 1) << 32 | n);
    let (lat, lon, radius) = (37.5 + of(0) * 0.54, -122.8 + of(1) * 0.68, 0.003 + of(2) * 0.008);
    let corner = |n: u64| {
        let angle = (n % CORNERS) as f64 / CORNERS as f64 * std::f64::consts::TAU;
        let reach = radius * (0.7 + 0.6 * of(3 + n % CORNERS));
        [lon + reach * angle.sin() * 1.26, lat + reach * angle.cos()]
    };
    let ring: Vec<_> = (0..=CORNERS).map(corner).collect();
    json!({
        "type": "Feature",
        "properties": { "id": id },
        "geometry": { "type": "Polygon", "coordinates": [ring] },
    })
}

/// From 0 to below 1.
fn unit(n: u64) -> f64 {
    (scatter(n) >> 11) as f64 / (1u64 << 53) as f64
}
