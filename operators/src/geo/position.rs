//! A checked place on the Earth, and the distance between two.

use serde::{Deserialize, Serialize};

/// The mean radius of the Earth in metres: (2a + b) / 3 of WGS84, as the IUGG defines it.
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// A latitude and longitude in degrees, WGS84: finite, -90 to 90 and -180 to 180.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Position {
    lat: f64,
    lon: f64,
}

/// What has a position. Records with two fields of degrees that were checked where they were read
/// give [`Position::clamped`].
pub trait Located {
    /// Where it is.
    fn position(&self) -> Position;
}

impl Located for Position {
    fn position(&self) -> Position {
        *self
    }
}

/// Why two numbers are no position.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("latitude {lat}, longitude {lon} is no position: -90..90 and -180..180 degrees are")]
pub struct PositionError {
    /// The latitude given, in degrees.
    pub lat: f64,
    /// The longitude given, in degrees.
    pub lon: f64,
}

#[derive(Deserialize)]
struct Unchecked {
    lat: f64,
    lon: f64,
}

impl TryFrom<Unchecked> for Position {
    type Error = PositionError;

    fn try_from(given: Unchecked) -> Result<Self, PositionError> {
        Self::new(given.lat, given.lon)
    }
}

impl Position {
    /// A position from degrees.
    ///
    /// # Errors
    /// If one is not finite or out of range.
    pub fn new(lat: f64, lon: f64) -> Result<Self, PositionError> {
        let valid = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
        valid.then_some(Self { lat, lon }).ok_or(PositionError { lat, lon })
    }

    /// The nearest position: a number out of range counts as the end of the range, NaN as 0. For
    /// records that are known to be good; [`Position::new`] finds those that are not.
    #[must_use]
    pub fn clamped(lat: f64, lon: f64) -> Self {
        let within = |degrees: f64, most: f64| match degrees.is_nan() {
            true => 0.0,
            false => degrees.clamp(-most, most),
        };
        Self { lat: within(lat, 90.0), lon: within(lon, 180.0) }
    }

    /// Degrees north of the equator.
    #[must_use]
    pub fn lat(self) -> f64 {
        self.lat
    }

    /// Degrees east of Greenwich.
    #[must_use]
    pub fn lon(self) -> f64 {
        self.lon
    }

    /// The great-circle distance in metres on a sphere of [`EARTH_RADIUS_M`].
    ///
    /// The haversine formula in its arcsine form (R. W. Sinnott, "Virtues of the Haversine", Sky
    /// and Telescope 68 (2), 1984), clamped so that rounding cannot leave the domain of arcsine.
    #[must_use]
    pub fn distance_m(self, to: Self) -> f64 {
        let (from_lat, to_lat) = (self.lat.to_radians(), to.lat.to_radians());
        let half_lat = ((to_lat - from_lat) / 2.0).sin();
        let half_lon = ((to.lon - self.lon).to_radians() / 2.0).sin();
        let h = half_lat * half_lat + from_lat.cos() * to_lat.cos() * half_lon * half_lon;
        2.0 * EARTH_RADIUS_M * h.sqrt().min(1.0).asin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lat: f64, lon: f64) -> Position {
        Position::new(lat, lon).unwrap()
    }

    #[test]
    fn garbage_is_refused() {
        for (lat, lon) in [
            (f64::NAN, 0.0),
            (0.0, f64::NAN),
            (f64::INFINITY, 0.0),
            (90.000_001, 0.0),
            (-91.0, 0.0),
            (0.0, 180.000_001),
            (0.0, -181.0),
        ] {
            assert!(Position::new(lat, lon).is_err(), "{lat} {lon}");
            let near = Position::clamped(lat, lon);
            assert_eq!(Position::new(near.lat(), near.lon()), Ok(near));
        }
        assert_eq!(Position::clamped(-91.0, f64::INFINITY), at(-90.0, 180.0));
        for (lat, lon) in [(90.0, 180.0), (-90.0, -180.0), (0.0, 0.0), (-0.0, 0.0)] {
            assert_eq!(Position::new(lat, lon), Ok(Position::clamped(lat, lon)), "{lat} {lon}");
        }
        assert!(serde_json::from_str::<Position>(r#"{"lat":91,"lon":0}"#).is_err());
        let text = serde_json::to_string(&at(1.5, -2.5)).unwrap();
        assert_eq!(text, r#"{"lat":1.5,"lon":-2.5}"#);
        assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), at(1.5, -2.5));
    }

    #[test]
    fn distances_are_those_of_the_sphere() {
        let degree_m = EARTH_RADIUS_M * std::f64::consts::PI / 180.0;
        let close = |a: f64, b: f64| assert!((a - b).abs() <= 1e-9 * b + 1e-6, "{a} {b}");
        close(at(0.0, 0.0).distance_m(at(0.0, 1.0)), degree_m);
        close(at(10.0, 7.0).distance_m(at(11.0, 7.0)), degree_m);
        close(at(0.0, 179.5).distance_m(at(0.0, -179.5)), degree_m);
        close(at(90.0, 0.0).distance_m(at(-90.0, 45.0)), 180.0 * degree_m);
        close(at(0.0, 0.0).distance_m(at(0.0, 180.0)), 180.0 * degree_m);
        assert_eq!(at(48.1, 11.5).distance_m(at(48.1, 11.5)), 0.0);
    }
}
