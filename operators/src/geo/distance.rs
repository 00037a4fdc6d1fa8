//! Distance on the sphere.

/// Mean radius of the Earth in metres (IUGG).
const RADIUS_M: f64 = 6_371_008.8;

/// Great-circle distance in metres between two positions in degrees, by the haversine formula in
/// its arcsine form; the argument is clamped to 1 so that antipodes have a distance.
#[must_use]
pub fn haversine_m(from: (f64, f64), to: (f64, f64)) -> f64 {
    let (lat_from, lat_to) = (from.0.to_radians(), to.0.to_radians());
    let half_lat = ((lat_to - lat_from) / 2.0).sin();
    let half_lon = ((to.1 - from.1).to_radians() / 2.0).sin();
    let a = half_lat * half_lat + lat_from.cos() * lat_to.cos() * half_lon * half_lon;
    2.0 * RADIUS_M * a.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_equator_is_pi_times_the_radius() {
        let half = haversine_m((0.0, 0.0), (0.0, 180.0));
        assert!((half - std::f64::consts::PI * RADIUS_M).abs() < 1e-3);
        assert_eq!(haversine_m((12.5, 7.0), (12.5, 7.0)), 0.0);
    }
}
