//! `fleet`: positions of anything that moves become live entities, cells, crossings, trips and
//! stops. Written with the public language only.

mod cells;
mod fix;
mod latest;
mod rows;

pub use cells::{CellCount, CellEvent, CellRow};
pub use fix::Fix;
pub use latest::{Latest, LiveRow};
pub use rows::{CrossingRow, StopRow, TripRow};

use std::time::Duration;
use waystream_connectors::sink::Output;
use waystream_connectors::source::Input;
use waystream_operators::{
    DeadLetter, EventTime, Flow, Metres, Resolution, StopRule, Tumbling, ZoneSettings, ZoneSource,
    Zones, mins, secs,
};

/// A bundled hour of real ships in New York harbour.
pub(crate) const BUNDLED: &str =
    concat!("parquet:", env!("CARGO_MANIFEST_DIR"), "/data/ais_nyharbor.parquet?speed=60x");
/// The zones that go with it.
const HARBOUR_ZONES: &str = include_str!("../../data/harbour_zones.geojson");

/// Declares the job.
pub fn build(flow: &Flow) {
    let resolution = flow.setting("resolution", Resolution::DEFAULT);
    let input = Input::at(BUNDLED).check(Fix::check).time_of(Fix::at);
    let live = flow.is_live("positions", &input);
    let if_live = |duration: Duration| live.then_some(duration);
    let max_future = flow.setting("max-future", if_live(mins(5)));
    let input = max_future.into_iter().fold(input, Input::max_future);
    let slack = flow.setting("out-of-order", if_live(secs(5)).unwrap_or_default());
    let event_time = EventTime::by(Fix::at).out_of_order(slack);
    let idle_after = flow.setting("idle-after", if_live(mins(1)));
    let event_time = idle_after.into_iter().fold(event_time, EventTime::idle_after);
    let expire_after = flow.setting("expire-after", if_live(mins(30)));
    let positions = flow.source("positions", input, event_time);

    positions
        .clone()
        .map(CellEvent::from)
        .key_by_cell(resolution)
        .window(Tumbling::of(flow.setting("window", secs(60))))
        .allowed_lateness(flow.setting("allowed-lateness", Duration::ZERO))
        .aggregate("cells", CellCount::add)
        .map(CellRow::from)
        .sink("cells", Output::named().key(|row: &CellRow| row.cell.to_string().into()));

    let entities = positions.key_by(|fix| fix.entity_id.clone()).ordered("order");
    let observe = move |latest: &mut Latest, fix| latest.observe(fix, resolution);
    let live = entities.clone().live_if("live", observe);
    let live = match expire_after {
        Some(silence) => live.expire_after(silence),
        None => live,
    };
    let live = live.map(LiveRow::from);
    live.clone().view("live", LiveRow::shown);
    live.sink(
        "live",
        Output::named()
            .key(|row: &LiveRow| (&*row.entity_id).into())
            .removed_if(LiveRow::is_removal),
    );
    let zones = zones(flow);
    flow.show_zones("zones", &zones);
    let crossings = entities.clone().geofence("crossings", zones).map(CrossingRow::from);
    crossings.clone().ticker("crossings");
    crossings.sink("crossings", Output::named().key(|row: &CrossingRow| (&*row.entity_id).into()));
    let trip_gap = flow.setting("trip-gap", mins(5));
    let trips = entities.clone().trips("trips", trip_gap).map(TripRow::from);
    trips.clone().ticker("trips");
    trips.sink("trips", Output::named().key(|row: &TripRow| (&*row.entity_id).into()));
    let Metres(radius_m) = flow.setting("stop-radius", Metres(100.0));
    let rule = StopRule { radius_m, at_least: flow.setting("stop-time", mins(5)) };
    let stops = entities.stops("stops", rule).map(StopRow::from);
    stops.clone().ticker("stops");
    stops.sink("stops", Output::named().key(|row: &StopRow| (&*row.entity_id).into()));
    let letters = Output::named()
        .key(|letter: &DeadLetter| (&*letter.partition).into())
        .header("reason", |letter| (&*letter.reason).into());
    flow.dead_letters().sink("dead-letters", letters);
}

/// The zones of the setting `zones`, a file that may change while the job runs; without it,
/// those of New York harbour.
fn zones(flow: &Flow) -> ZoneSource {
    let path = flow.setting("zones", String::new());
    let strict = flow.setting("strict-zones", false);
    let settings = ZoneSettings { strict, ..ZoneSettings::default() };
    if !path.is_empty() {
        return flow.zones(path, settings);
    }
    let zones = Zones::from_geojson_with(HARBOUR_ZONES, settings).unwrap_or_else(|error| {
        flow.refuse(error.into());
        Zones::default()
    });
    zones.into()
}
