//! A cell of the H3 grid: a hexagon of about the same size everywhere, as a 64-bit key.

use super::position::Position;
use crate::setting::Setting;
use h3o::{CellIndex, LatLng};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// How fine the H3 grid is: 0 (4.4 million km² a cell) to 15 (0.9 m²); 8 is 0.74 km².
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution(h3o::Resolution);

impl Resolution {
    /// Resolution 8: cells of 0.74 km² on average.
    pub const DEFAULT: Self = Self(h3o::Resolution::Eight);

    /// A resolution.
    ///
    /// # Errors
    /// If it is above 15.
    pub fn new(resolution: u8) -> Result<Self, CellError> {
        let checked = h3o::Resolution::try_from(resolution);
        checked.map(Self).map_err(|_| CellError::Resolution(resolution))
    }
}

impl Setting for Resolution {
    fn parse(text: &str) -> Result<Self, String> {
        Self::new(u8::parse(text)?).map_err(|error| error.to_string())
    }
}

/// An H3 cell.
///
/// Serialized as its usual lower-case hexadecimal text where a person may read it (JSON, CSV), and
/// as a `u64` elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell(u64);

/// Why something is no cell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CellError {
    /// The resolution is above 15.
    #[error("{0} is no H3 resolution: 0 to 15 are")]
    Resolution(u8),
    /// The number does not name a cell.
    #[error("{0:#x} is no H3 cell")]
    Index(u64),
    /// The text is not hexadecimal.
    #[error("`{0}` is no H3 cell: 15 hexadecimal digits are")]
    Text(String),
}

impl Cell {
    /// The cell that holds a position.
    #[must_use]
    pub fn of(position: Position, resolution: Resolution) -> Self {
        // A position is finite by construction, the only thing h3o asks of it.
        let place = LatLng::new(position.lat(), position.lon()).unwrap_or_default();
        Self(place.to_cell(resolution.0).into())
    }

    /// The index as H3 numbers it.
    #[must_use]
    pub fn index(self) -> u64 {
        self.0
    }

    /// Its resolution, 0 to 15.
    #[must_use]
    pub fn resolution(self) -> u8 {
        (self.0 >> 52 & 0xF) as u8
    }
}

impl TryFrom<u64> for Cell {
    type Error = CellError;

    fn try_from(index: u64) -> Result<Self, CellError> {
        CellIndex::try_from(index).map(|_| Self(index)).map_err(|_| CellError::Index(index))
    }
}

impl FromStr for Cell {
    type Err = CellError;

    fn from_str(text: &str) -> Result<Self, CellError> {
        let index = u64::from_str_radix(text, 16).map_err(|_| CellError::Text(text.to_owned()))?;
        Self::try_from(index)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.collect_str(self),
            false => serializer.serialize_u64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.is_human_readable() {
            true => String::deserialize(deserializer)?.parse().map_err(D::Error::custom),
            false => Self::try_from(u64::deserialize(deserializer)?).map_err(D::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_cell_that_h3_gives() {
        // The example of the H3 documentation for latLngToCell.
        let position = Position::new(37.775_938_728_915_946, -122.417_952_583_866_61).unwrap();
        let cell = Cell::of(position, Resolution::new(9).unwrap());
        assert_eq!(cell.to_string(), "8928308280fffff");
        assert_eq!((cell.resolution(), cell.index()), (9, 0x0892_8308_280f_ffff));
        assert_eq!("8928308280fffff".parse(), Ok(cell));
    }

    #[test]
    fn text_for_people_and_a_number_for_machines() {
        let cell = Cell::try_from(0x0892_8308_280f_ffff).unwrap();
        let text = serde_json::to_string(&cell).unwrap();
        assert_eq!(text, r#""8928308280fffff""#);
        assert_eq!(serde_json::from_str::<Cell>(&text).unwrap(), cell);
        let bytes = postcard::to_allocvec(&cell).unwrap();
        assert_eq!(bytes, postcard::to_allocvec(&cell.index()).unwrap());
        assert_eq!(postcard::from_bytes::<Cell>(&bytes).unwrap(), cell);
    }

    #[test]
    fn what_is_no_cell_is_refused() {
        assert_eq!(Resolution::new(16), Err(CellError::Resolution(16)));
        assert_eq!(Resolution::parse("16").unwrap_err(), "16 is no H3 resolution: 0 to 15 are");
        assert_eq!(Resolution::parse("15").ok(), Resolution::new(15).ok());
        assert_eq!(Cell::try_from(7), Err(CellError::Index(7)));
        assert!("hello".parse::<Cell>().is_err());
        assert!(serde_json::from_str::<Cell>("7").is_err());
        let bytes = postcard::to_allocvec(&7u64).unwrap();
        assert!(postcard::from_bytes::<Cell>(&bytes).is_err());
    }
}
