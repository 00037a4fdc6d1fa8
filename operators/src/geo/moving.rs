//! What the operators of space need to know of a record.

/// Something at a position, in degrees (WGS84).
pub trait Moving {
    /// Latitude and longitude in degrees.
    fn lat_lon(&self) -> (f64, f64);

    /// Speed in metres per second, if it is known.
    fn speed(&self) -> Option<f32> {
        None
    }
}
