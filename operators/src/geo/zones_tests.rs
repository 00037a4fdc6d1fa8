//! Zones against the `geo` crate, against integer arithmetic, and on real files.

use super::{DefectKind, Position, ZoneSettings, Zones, ZonesError};
use expect_test::expect;
use geo::Contains;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::PathBuf;

fn at(lat: f64, lon: f64) -> Position {
    Position::new(lat, lon).unwrap()
}

/// A zone with a name and, per polygon, its rings.
fn feature(name: &str, polygons: &Value) -> Value {
    json!({"type": "Feature", "properties": {"id": name},
        "geometry": {"type": "MultiPolygon", "coordinates": polygons}})
}

fn zones(features: &[Value]) -> Zones {
    let text = json!({"type": "FeatureCollection", "features": features}).to_string();
    Zones::from_geojson(&text).unwrap()
}

fn names(zones: &Zones, lat: f64, lon: f64) -> Vec<String> {
    let mut found = Vec::new();
    zones.containing(at(lat, lon), &mut found);
    found.iter().map(|zone| zones.name(*zone).to_string()).collect()
}

fn rectangle(west: f64, south: f64, east: f64, north: f64) -> Value {
    json!([[west, south], [east, south], [east, north], [west, north], [west, south]])
}

#[test]
fn a_name_is_found_where_there_is_one() {
    let polygon = json!({"type": "Polygon", "coordinates": [rectangle(0., 0., 1., 1.)]});
    let given = [
        json!({"type": "Feature", "id": "b", "properties": {"id": "a", "name": "c"}, "geometry": polygon}),
        json!({"type": "Feature", "id": 17, "properties": {"id": null, "name": "c"}, "geometry": polygon}),
        json!({"type": "Feature", "properties": {"name": "c"}, "geometry": polygon}),
        json!({"type": "Feature", "properties": null, "geometry": polygon}),
    ];
    let zones = zones(&given);
    assert_eq!(zones.names().collect::<Vec<_>>(), ["17", "3", "a", "c"]);
    assert_eq!(names(&zones, 0.5, 0.5), ["17", "3", "a", "c"]);
    for bare in [&given[0], &polygon] {
        assert_eq!(Zones::from_geojson(&bare.to_string()).unwrap().len(), 1);
        let marked = format!("\u{feff}{bare}");
        assert_eq!(Zones::from_geojson(&marked).unwrap().len(), 1, "a byte order mark");
    }
    let none = Zones::from_geojson(r#"{"type":"FeatureCollection","features":[]}"#).unwrap();
    assert!(none.is_empty() && names(&none, 0.0, 0.0).is_empty());
}

#[test]
fn errors_name_the_feature_and_say_what_to_do() {
    let with = |geometry: Value| {
        json!({"type": "FeatureCollection", "features": [
            {"type": "Feature", "properties": {"id": "z"}, "geometry": geometry}]})
        .to_string()
    };
    let ring = |ring: Value| with(json!({"type": "Polygon", "coordinates": [ring]}));
    let twice = json!({"type": "FeatureCollection", "features": [
        feature("z", &json!([[rectangle(0., 0., 1., 1.)]])),
        feature("z", &json!([[rectangle(0., 0., 1., 1.)]]))]});
    let texts = [
        "nonsense".to_owned(),
        "{}".to_owned(),
        r#"{"type":"FeatureCollection"}"#.to_owned(),
        with(Value::Null),
        with(json!({"type": "Point", "coordinates": [0, 0]})),
        with(json!({"type": "MultiPolygon", "coordinates": []})),
        ring(json!([[0, 0], [1, 0], [0, 0]])),
        ring(json!([[0, 0], [1, 0], [1, 1], [0, 1]])),
        ring(json!([[0, 0], [181, 0], [1, 1], [0, 0]])),
        ring(json!([[0, 0], [1, null], [1, 1], [0, 0]])),
        twice.to_string(),
        ring(json!([["x".repeat(300), 0], [0, 0], [0, 0], [0, 0]])),
        json!({"type": "Feature", "properties": {"id": "é".repeat(129)}, "geometry": null})
            .to_string(),
        json!({"type": "Feature", "properties": {"id": "z", "name": "é".repeat(129)}}).to_string(),
    ];
    let said = texts.iter().map(|text| {
        let error = Zones::from_geojson(text).unwrap_err();
        format!("{error}\n    {}\n", error.hint())
    });
    expect![[r#"
        the zones are not GeoJSON: expected ident at line 1 column 2
            give a FeatureCollection of Polygons and MultiPolygons
        the zones are not GeoJSON: the root object has no `type`
            give a FeatureCollection of Polygons and MultiPolygons
        the zones are not GeoJSON: the collection has no array `features`
            give a FeatureCollection of Polygons and MultiPolygons
        zone `z` (feature 0) has no geometry
            give it a Polygon or remove it
        zone `z` (feature 0) has a geometry of type `Point`
            a zone is a Polygon or a MultiPolygon: buffer points and lines into polygons
        zone `z` (feature 0) has no rings in its `coordinates`
            a Polygon holds arrays of positions, a MultiPolygon holds arrays of Polygons
        zone `z` (feature 0) has 3 positions in ring 0
            a ring needs at least 4: three corners and the first again
        zone `z` (feature 0) has an unclosed ring 0
            repeat the first position of the ring as its last
        zone `z` (feature 0) has the position [181,0] in ring 0, which is out of range
            write [longitude, latitude] in degrees, -180..180 and -90..90
        zone `z` (feature 0) has [1,null] in ring 0 where a position should be
            write [longitude, latitude] in degrees
        features 0 and 1 are both named `z`
            give each feature its own `id` property
        zone `z` (feature 0) has ["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… in ring 0 where a position should be
            write [longitude, latitude] in degrees
        zone `éééééééééééééééééééééééééééééééé…` (feature 0) has a name of 258 bytes, allowed are 256
            give it a shorter `id` or `name` property
        zone `z` (feature 0) has a name of 258 bytes, allowed are 256
            give it a shorter `id` or `name` property
    "#]]
    .assert_eq(&said.collect::<String>());
    let few = ZoneSettings { max_vertices: 4, ..ZoneSettings::default() };
    let error = Zones::from_geojson_with(&rectangle_text(), few).unwrap_err();
    assert!(matches!(error, ZonesError::TooManyVertices { limit: 4 }));
}

fn rectangle_text() -> String {
    json!({"type": "Polygon", "coordinates": [rectangle(0., 0., 1., 1.)]}).to_string()
}

#[test]
fn an_edge_is_outside() {
    let zones = zones(&[
        feature("holed", &json!([[rectangle(0., 0., 10., 10.), rectangle(4., 4., 6., 6.)]])),
        feature("pair", &json!([[rectangle(20., 0., 21., 1.)], [rectangle(21., 0., 22., 1.)]])),
    ]);
    assert_eq!(names(&zones, 5.0, 3.999), ["holed"]);
    for (lat, lon) in [(0.0, 0.0), (5.0, 0.0), (10.0, 5.0), (4.0, 5.0), (5.0, 6.0), (5.0, 5.0)] {
        assert!(names(&zones, lat, lon).is_empty(), "{lat} {lon}");
    }
    assert_eq!(names(&zones, 0.5, 20.999_999), ["pair"]);
    assert!(names(&zones, 0.5, 21.0).is_empty(), "the edge that two polygons share");
    assert_eq!(names(&zones, 0.5, 21.000_001), ["pair"]);
}

#[test]
fn a_zone_may_cross_the_antimeridian() {
    let hole = rectangle(-179., -1., -178., 1.);
    let zones = zones(&[feature("fiji", &json!([[rectangle(170., -10., -170., 10.), hole]]))]);
    assert!(zones.defects().is_empty());
    for lon in [171.0, 180.0, -180.0, -171.0] {
        assert_eq!(names(&zones, 0.0, lon), ["fiji"], "{lon}");
    }
    for lon in [0.0, 169.0, -169.0, 170.0, -170.0, -178.5, -179.0] {
        assert!(names(&zones, 0.0, lon).is_empty(), "{lon}");
    }
}

#[test]
fn invalid_polygons_are_reported_or_refused() {
    let square = |x: f64| rectangle(x, 0., x + 1., 1.);
    let bow = json!([[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]);
    let touch = json!([[0, 0], [2, 0], [1, 1], [2, 2], [0, 2], [1, 1], [0, 0]]);
    let spike = json!([[0, 0], [2, 0], [5, 0], [2, 0], [2, 2], [0, 0]]);
    let big = rectangle(-5., -5., 5., 5.);
    let table = [
        (json!([[bow]]), Some(DefectKind::SelfCrossing)),
        (json!([[touch]]), Some(DefectKind::SelfTouch)),
        (json!([[spike]]), Some(DefectKind::SelfTouch)),
        (json!([[[[0, 0], [1, 1], [0, 0], [0, 0]]]]), Some(DefectKind::Collapsed)),
        (json!([[square(0.), square(3.)]]), Some(DefectKind::HoleMisplaced)),
        (json!([[big, rectangle(0., 0., 3., 3.), square(1.2)]]), Some(DefectKind::RingsOverlap)),
        (json!([[big, rectangle(-1., -1., 3., 3.), square(1.2)]]), Some(DefectKind::HoleMisplaced)),
        (json!([[big, rectangle(0., 0., 5., 1.)]]), Some(DefectKind::RingsOverlap)),
        (json!([[big, [[-5, 0], [0, 1], [5, 0], [0, -1], [-5, 0]]]]), Some(DefectKind::InsideCut)),
        (json!([[square(0.)], [square(0.5)]]), Some(DefectKind::RingsOverlap)),
        (json!([[square(0.)], [square(1.)]]), Some(DefectKind::RingsOverlap)),
        (json!([[big], [square(1.)]]), Some(DefectKind::PolygonsOverlap)),
        (json!([[big, square(1.)], [rectangle(1.2, 0.2, 1.8, 0.8)]]), None),
        (json!([[big, [[-5, 0], [0, 1], [0, -1], [-5, 0]]]]), None),
        (json!([[square(0.)], [rectangle(1., 1., 2., 2.)]]), None),
        (json!([[[[0, 0], [0, 0], [1, 0], [2, 0], [2, 2], [2, 2], [0, 0]]]]), None),
    ];
    for (polygons, kind) in table {
        let zones = zones(&[feature("z", &polygons)]);
        assert_eq!(zones.defects().first().map(|defect| defect.kind), kind, "{polygons}");
        let text = feature("z", &polygons).to_string();
        let strict = ZoneSettings { strict: true, ..ZoneSettings::default() };
        assert_eq!(Zones::from_geojson_with(&text, strict).is_err(), kind.is_some());
    }
}

/// A star around a whole number of half degrees: angles ascend, so it cannot cross itself, though
/// rounding to a coarse lattice may make it touch itself.
fn star() -> impl Strategy<Value = Vec<(i32, i32)>> {
    let corners = proptest::collection::btree_map(0u32..64, 3.0f64..24.0, 3..12);
    (corners, -30i32..30, -30i32..30).prop_map(|(corners, x, y)| {
        let mut ring: Vec<_> = corners
            .into_iter()
            .map(|(angle, radius)| {
                let (sin, cos) = (f64::from(angle) / 64.0 * std::f64::consts::TAU).sin_cos();
                (x + (radius * cos).round() as i32, y + (radius * sin).round() as i32)
            })
            .collect();
        ring.push(ring[0]);
        ring
    })
}

fn degrees(ring: &[(i32, i32)], scale: f64) -> Vec<[f64; 2]> {
    ring.iter().map(|(x, y)| [f64::from(*x) * scale, f64::from(*y) * scale]).collect()
}

/// Even-odd in whole numbers: whether a point is on the ring, and whether it is inside.
fn exact(ring: &[(i32, i32)], (x, y): (i32, i32)) -> (bool, bool) {
    let (mut on, mut inside) = (false, false);
    for pair in ring.windows(2) {
        let ((ax, ay), (bx, by)) = (pair[0], pair[1]);
        let cross = (bx - ax) * (y - ay) - (by - ay) * (x - ax);
        let near = x >= ax.min(bx) && x <= ax.max(bx) && y >= ay.min(by) && y <= ay.max(by);
        on |= cross == 0 && near;
        inside ^= (ay > y) != (by > y) && (cross > 0) == (by > ay);
    }
    (on, inside)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn valid_polygons_contain_what_geo_says(
        rings in proptest::collection::vec((star(), 0.2f64..0.6), 1..12),
        scale in prop_oneof![Just(0.5), Just(0.1), Just(0.3)],
        points in proptest::collection::vec((-60i32..60, -60i32..60), 40),
    ) {
        let polygons: Vec<_> = rings.iter().map(|(ring, shrink)| {
            let shell = degrees(ring, scale);
            let n = shell.len() as f64 - 1.0;
            let sum = shell[1..].iter().fold([0.0, 0.0], |s, p| [s[0] + p[0], s[1] + p[1]]);
            let shrunk = |p: &[f64; 2]| [0, 1].map(|i| sum[i] / n + (p[i] - sum[i] / n) * shrink);
            let hole = shell.iter().map(shrunk).collect::<Vec<_>>();
            [shell, hole]
        }).collect();
        let features: Vec<_> = polygons.iter().enumerate()
            .map(|(i, rings)| feature(&format!("{i:02}"), &json!([rings]))).collect();
        let zones = zones(&features);
        let line = |ring: &[[f64; 2]]| geo::LineString::from(ring.iter().map(|p| (p[0], p[1])).collect::<Vec<_>>());
        for (x, y) in points {
            let (lon, lat) = (f64::from(x) * scale, f64::from(y) * scale);
            let found = names(&zones, lat, lon);
            for (i, [shell, hole]) in polygons.iter().enumerate() {
                let name = format!("{i:02}");
                if zones.defects().iter().any(|defect| defect.zone == name) {
                    continue;
                }
                let polygon = geo::Polygon::new(line(shell), vec![line(hole)]);
                let inside = polygon.contains(&geo::Point::new(lon, lat));
                prop_assert_eq!(found.contains(&name), inside, "{} {} {:?}", lat, lon, polygon);
            }
        }
    }

    #[test]
    fn any_ring_contains_what_whole_numbers_say(
        rings in proptest::collection::vec(proptest::collection::vec((-12i32..12, -12i32..12), 3..20), 1..20),
        spread in 0i32..30,
    ) {
        let rings: Vec<Vec<_>> = rings.into_iter().enumerate().map(|(i, mut ring)| {
            ring.push(ring[0]);
            let shift = (i as i32 % 5 * spread, i as i32 / 5 * spread);
            ring.iter().map(|(x, y)| (x + shift.0 - 60, y + shift.1 - 60)).collect()
        }).collect();
        let features: Vec<_> = rings.iter().enumerate()
            .map(|(i, ring)| feature(&format!("{i:02}"), &json!([[degrees(ring, 1.0)]]))).collect();
        let zones = zones(&features);
        for (x, y) in (-74..74).flat_map(|x| (-74..74).step_by(3).map(move |y| (x, y))) {
            let expected: Vec<_> = rings.iter().enumerate()
                .filter(|(_, ring)| exact(ring, (x, y)) == (false, true))
                .map(|(i, _)| format!("{i:02}")).collect();
            prop_assert_eq!(names(&zones, f64::from(y), f64::from(x)), expected, "{} {}", x, y);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Zones of a tenth of a millimetre beside zones of the size of countries.
    #[test]
    fn the_index_takes_zones_of_any_size(
        given in proptest::collection::vec(
            (
                proptest::collection::vec((-1.0f64..1.0, -1.0f64..1.0), 3..9),
                prop_oneof![Just(1e-9), Just(1e-6), Just(1e-3), Just(1.0), Just(40.0)],
                prop_oneof![Just((0.0, 0.0)), Just((139.5, 49.5)), Just((-139.0, -49.0))],
            ),
            1..40,
        ),
        points in proptest::collection::vec((0usize..40, -1.1f64..1.1, -1.1f64..1.1), 200),
    ) {
        let features: Vec<_> = given.iter().enumerate().map(|(i, (corners, size, (x, y)))| {
            let mut ring: Vec<_> =
                corners.iter().map(|(u, v)| [x + u * size, y + v * size]).collect();
            ring.push(ring[0]);
            feature(&format!("{i:02}"), &json!([[ring]]))
        }).collect();
        let zones = zones(&features);
        let mut found = Vec::new();
        for (near, u, v) in points {
            let (_, size, (x, y)) = &given[near % given.len()];
            let position = at((y + v * size).clamp(-90.0, 90.0), x + u * size * 0.9);
            zones.containing(position, &mut found);
            prop_assert_eq!(&found, &zones.containing_by_search(position), "{:?}", position);
        }
    }
}

/// The files of reference fences, if they lie beside the repository or `WAYSTREAM_SHARED` says where.
fn fence_files() -> Vec<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("WAYSTREAM_SHARED").map_or_else(beside, PathBuf::from);
    let folder = shared.join("data/fences");
    let Ok(entries) = std::fs::read_dir(folder) else {
        eprintln!("skipped: no ../shared/data beside the repository");
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.extension().is_some_and(|end| end == "geojson")).collect()
}

#[test]
fn the_known_invalid_fences_are_the_defects() {
    let files = fence_files();
    let mut defects: Vec<_> = files
        .iter()
        .map(|path| Zones::from_geojson(&std::fs::read_to_string(path).unwrap()).unwrap())
        .flat_map(|zones| zones.defects().iter().map(|d| d.zone.to_string()).collect::<Vec<_>>())
        .collect();
    defects.sort();
    let mut known: Vec<_> = "aus-048 iso-250 iso-276 iso-442 iso-056 iso-724 iso-380 co-51620 \
        co-51093 co-51041 st-41"
        .split_whitespace()
        .collect();
    known.sort_unstable();
    assert!(files.is_empty() || defects == known, "{defects:?}");
}

#[test]
fn the_index_says_what_every_zone_says() {
    for path in fence_files() {
        let text = std::fs::read_to_string(&path).unwrap();
        let zones = Zones::from_geojson(&text).unwrap();
        let corners = zones.sample_corners(500);
        let mut found = Vec::new();
        for (index, corner) in corners.iter().enumerate() {
            let other = corners[index * 7 % corners.len()];
            let part = 1.0 / (2 + index % 5) as f64;
            let lat = corner.lat() + (other.lat() - corner.lat()) * part;
            let lon = corner.lon() + (other.lon() - corner.lon()) * part;
            for position in [at(lat, lon), *corner] {
                zones.containing(position, &mut found);
                assert_eq!(found, zones.containing_by_search(position), "{position:?}");
            }
        }
    }
}
