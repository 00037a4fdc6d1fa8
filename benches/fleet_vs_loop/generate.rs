//! The fleet of the bench: vehicles wandering over a city, the same bytes for the same numbers.

use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

const SEED: u64 = 42;
/// 2025-10-09T08:53:20Z, where the fleet starts.
const START_MS: i64 = 1_760_000_000_000;
const CITY_LAT: f64 = 37.77;
const CITY_LON: f64 = -122.42;
/// Half the side of the city, 30 km, in degrees.
const HALF_LAT: f64 = 0.27;
const HALF_LON: f64 = 0.341;
const METRES_PER_DEGREE_LAT: f64 = 111_320.0;
const METRES_PER_DEGREE_LON: f64 = 88_000.0;
const FENCES: u32 = 1_000;
const PARTITIONS: usize = 2;
/// A record arrives up to this long after its time.
const MAX_DELAY_MS: u64 = 5_000;

/// How much of it to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fleet {
    pub entities: u32,
    pub events: usize,
}

/// A zone of the city: a ring of latitude and longitude, not closed.
#[derive(Serialize, Deserialize)]
pub struct Fence {
    pub id: u32,
    pub pts: Vec<[f64; 2]>,
}

/// Writes `fleet.ndjson`, the same lines split by entity in `p2/`, and `fences.json`.
pub fn write(folder: &Path, fleet: Fleet) -> io::Result<()> {
    fs::create_dir_all(folder.join("p2"))?;
    let mut random = Random(SEED);
    let mut arrivals = Arrivals::create(folder)?;
    drive(&mut random, fleet, &mut arrivals)?;
    arrivals.release(i64::MAX)?;
    arrivals.finish()?;
    let fences: Vec<_> = (0..FENCES).map(|id| fence(&mut random, id)).collect();
    let mut out = BufWriter::new(File::create(folder.join("fences.json"))?);
    serde_json::to_writer(&mut out, &fences)?;
    out.flush()
}

/// Lets vehicles report in order of time until enough was said; one in a hundred says it twice.
fn drive(random: &mut Random, fleet: Fleet, arrivals: &mut Arrivals) -> io::Result<()> {
    let mut vehicles = Vec::with_capacity(fleet.entities as usize);
    let mut due = BinaryHeap::new();
    for index in 0..fleet.entities {
        vehicles.push(Vehicle::parked_anywhere(random));
        due.push(Reverse((START_MS + random.below(28_500) as i64, index)));
    }
    while arrivals.added < fleet.events as u64 {
        let Some(Reverse((ts_ms, index))) = due.pop() else { break };
        let vehicle = &mut vehicles[index as usize];
        vehicle.advance(ts_ms, random);
        let silence = match random.below(10) {
            0 => 90_000 + random.below(210_000),
            _ => 5_000 + random.below(10_000),
        };
        due.push(Reverse((ts_ms + silence as i64, index)));
        arrivals.release(ts_ms)?;
        let line = vehicle.report(index);
        let partition = (index.wrapping_mul(2_654_435_761) >> 16) as u8 as usize % PARTITIONS;
        if random.below(100) == 0 && arrivals.added + 1 < fleet.events as u64 {
            arrivals.add(ts_ms, partition, line.clone(), random);
        }
        arrivals.add(ts_ms, partition, line, random);
    }
    Ok(())
}

struct Vehicle {
    lat: f64,
    lon: f64,
    speed: f64,
    heading: f64,
    ts_ms: i64,
}

impl Vehicle {
    fn parked_anywhere(random: &mut Random) -> Self {
        Self {
            lat: CITY_LAT + random.around_zero() * HALF_LAT,
            lon: CITY_LON + random.around_zero() * HALF_LON,
            speed: random.unit() * 20.0,
            heading: random.unit() * 360.0,
            ts_ms: START_MS,
        }
    }

    /// Turns and speeds up a little, moves for at most 30 s, and turns round at the city limits.
    fn advance(&mut self, ts_ms: i64, random: &mut Random) {
        let elapsed_s = (ts_ms - self.ts_ms) as f64 / 1000.0;
        self.ts_ms = ts_ms;
        self.heading = (self.heading + (random.unit() - 0.5) * 60.0).rem_euclid(360.0);
        self.speed = (self.speed + (random.unit() - 0.5) * 6.0).clamp(0.0, 25.0);
        let metres = self.speed * elapsed_s.min(30.0);
        let towards = self.heading.to_radians();
        self.lat += metres * towards.cos() / METRES_PER_DEGREE_LAT;
        self.lon += metres * towards.sin() / METRES_PER_DEGREE_LON;
        if (self.lat - CITY_LAT).abs() > HALF_LAT || (self.lon - CITY_LON).abs() > HALF_LON {
            self.lat = self.lat.clamp(CITY_LAT - HALF_LAT, CITY_LAT + HALF_LAT);
            self.lon = self.lon.clamp(CITY_LON - HALF_LON, CITY_LON + HALF_LON);
            self.heading = (self.heading + 180.0) % 360.0;
        }
    }

    fn report(&self, index: u32) -> String {
        let Self { lat, lon, speed, heading, ts_ms } = self;
        format!(
            "{{\"entity_id\":\"v{index:06}\",\"ts\":{ts_ms},\"lat\":{lat:.6},\"lon\":{lon:.6},\
             \"speed\":{speed:.2},\"heading\":{heading:.1}}}\n"
        )
    }
}

/// Lines on their way, each until its arrival; written in order of arrival, then of sending.
struct Arrivals {
    pending: BinaryHeap<Reverse<(i64, u64, usize, String)>>,
    added: u64,
    whole: BufWriter<File>,
    partitions: Vec<BufWriter<File>>,
}

impl Arrivals {
    fn create(folder: &Path) -> io::Result<Self> {
        let file = |name: &str| {
            File::create(folder.join(name)).map(|file| BufWriter::with_capacity(1 << 20, file))
        };
        Ok(Self {
            pending: BinaryHeap::new(),
            added: 0,
            whole: file("fleet.ndjson")?,
            partitions: (0..PARTITIONS)
                .map(|partition| file(&format!("p2/part-{partition}.ndjson")))
                .collect::<io::Result<_>>()?,
        })
    }

    fn add(&mut self, ts_ms: i64, partition: usize, line: String, random: &mut Random) {
        let arrival_ms = ts_ms + random.below(MAX_DELAY_MS) as i64;
        self.pending.push(Reverse((arrival_ms, self.added, partition, line)));
        self.added += 1;
    }

    fn release(&mut self, until_ms: i64) -> io::Result<()> {
        while self.pending.peek().is_some_and(|Reverse(first)| first.0 <= until_ms) {
            if let Some(Reverse((_, _, partition, line))) = self.pending.pop() {
                self.whole.write_all(line.as_bytes())?;
                self.partitions[partition].write_all(line.as_bytes())?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.whole.flush()?;
        self.partitions.iter_mut().try_for_each(Write::flush)
    }
}

/// A ragged ring of 10 to 14 corners, 210 to 1,560 m from its middle.
fn fence(random: &mut Random, id: u32) -> Fence {
    let lat = CITY_LAT + random.around_zero() * HALF_LAT * 0.95;
    let lon = CITY_LON + random.around_zero() * HALF_LON * 0.95;
    let corners = 10 + random.below(5);
    let radius = 300.0 + random.unit() * 900.0;
    let micro = |degrees: f64| (degrees * 1e6).round() / 1e6;
    let corner = |corner: u64| {
        let angle = corner as f64 / corners as f64 * std::f64::consts::TAU;
        let metres = radius * (0.7 + 0.6 * random.unit());
        [
            micro(lat + metres * angle.cos() / METRES_PER_DEGREE_LAT),
            micro(lon + metres * angle.sin() / METRES_PER_DEGREE_LON),
        ]
    };
    Fence { id, pts: (0..corners).map(corner).collect() }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// From 0 to below 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From -1 to below 1.
    fn around_zero(&mut self) -> f64 {
        self.unit() * 2.0 - 1.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
