//! H3 cells as keys and columns: text for people, a number for machines.

use h3o::{CellIndex, LatLng, Resolution};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// A cell of the H3 grid. Hexadecimal text in JSON, a `u64` in binary forms.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell(u64);

impl Cell {
    /// The cell of a position at a resolution (0 to 15). `None` if the position is not on Earth or
    /// the resolution does not exist.
    #[must_use]
    pub fn of(lat: f64, lon: f64, resolution: u8) -> Option<Self> {
        if !(-90.0..=90.0).contains(&lat) || !(-180.0..=180.0).contains(&lon) {
            return None;
        }
        let resolution = Resolution::try_from(resolution).ok()?;
        Some(Self(u64::from(LatLng::new(lat, lon).ok()?.to_cell(resolution))))
    }

    /// The index as H3 numbers it.
    #[must_use]
    pub fn index(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cell({self})")
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let index = if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            u64::from_str_radix(&text, 16).map_err(de::Error::custom)?
        } else {
            u64::deserialize(deserializer)?
        };
        CellIndex::try_from(index).map_err(de::Error::custom)?;
        Ok(Self(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_positions_on_earth_have_cells() {
        assert_eq!(Cell::of(40.7, -74.0, 8).map(|c| c.to_string()), Some("882a1072d7fffff".into()));
        for (lat, lon, resolution) in
            [(91.0, 0.0, 8), (0.0, 1e300, 8), (f64::NAN, 0.0, 8), (0.0, 0.0, 16)]
        {
            assert_eq!(Cell::of(lat, lon, resolution), None);
        }
    }
}
