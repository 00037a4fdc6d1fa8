//! Shows the zones in force as a view, so that a map draws those that the job asks.

use super::zone_file::OpenFiles;
use super::zone_source::ZoneSource;
use super::zones::Zones;
use crate::flow::Flow;
use std::sync::{Arc, Weak};
use waystream_engine::spec::Views;

impl Flow {
    /// Shows the zones in force as the view `view`: under each zone's name its GeoJSON feature,
    /// with a property `name` for people. Zones that are replaced are shown at once, whether or not
    /// an entity has met them. The map of the ready jobs draws the view `zones`.
    ///
    /// ```
    /// use waystream_operators::{EventTime, Flow, TestJob, Timestamp, Unset, ZoneSource, Zones};
    ///
    /// let text = r#"{"type":"Polygon","coordinates":[[[0,0],[2,0],[2,2],[0,2],[0,0]]]}"#;
    /// let zones = ZoneSource::new(Zones::from_geojson(text)?);
    /// let build = move |flow: &Flow| {
    ///     flow.show_zones("zones", &zones);
    ///     flow.source("pings", Unset, EventTime::by(|at: &i64| Timestamp(*at))).sink("out", Unset);
    /// };
    ///
    /// let outputs = TestJob::new(build).input("pings", [0i64]).run()?;
    /// assert!(outputs.view("zones")["0"].starts_with(r#"{"type":"Feature","id":"0""#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn show_zones(&self, view: &str, zones: &ZoneSource) {
        if let Some(views) = self.views() {
            zones.show(self.zone_files(), views, view);
        }
    }
}

/// One view of the zones of a source.
#[derive(Debug)]
pub(super) struct ZoneView {
    run: Weak<OpenFiles>,
    views: Arc<dyn Views>,
    name: String,
    shown: Arc<Zones>,
}

impl ZoneView {
    /// A view that shows nothing yet.
    pub(super) fn new(run: Weak<OpenFiles>, views: Arc<dyn Views>, name: &str) -> Self {
        Self { run, views, name: name.to_owned(), shown: Arc::default() }
    }

    /// Whether the run of the job lasts that it is shown by.
    pub(super) fn is_of_a_run(&self) -> bool {
        self.run.strong_count() > 0
    }

    /// Whether both are one view of one run: every worker declares it.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.run.ptr_eq(&other.run) && self.name == other.name
    }

    /// Shows these zones and no others.
    pub(super) fn show(&mut self, zones: &Arc<Zones>) {
        let gone = self.shown.names().filter(|name| zones.feature(name).is_none());
        let gone = gone.map(|name| (name.to_string(), None));
        let there = zones.names().filter_map(|name| {
            let feature = zones.feature(name)?;
            let is_new = self.shown.feature(name) != Some(feature);
            is_new.then(|| (name.to_string(), Some(feature.to_owned())))
        });
        self.views.apply(&self.name, gone.chain(there).collect());
        self.shown = Arc::clone(zones);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::ZoneFiles;
    use crate::{EventTime, TestJob, Timestamp, Unset};
    use expect_test::expect;
    use std::sync::Mutex;

    /// Remembers what it was told.
    #[derive(Default)]
    struct Told(Mutex<Vec<String>>);

    impl Views for Told {
        fn apply(&self, view: &str, changes: Vec<(String, Option<String>)>) {
            let mut told = self.0.lock().unwrap();
            told.extend(changes.into_iter().map(|(key, row)| {
                format!("{view} {key}: {}", row.unwrap_or_else(|| "gone".to_owned()))
            }));
        }

        fn append(&self, _: &str, _: Vec<String>) {
            panic!("zones are a table");
        }
    }

    /// Squares of these names and sizes; the first is also called something by people.
    fn squares(squares: &[(&str, u8)]) -> Zones {
        let feature = |(number, (name, size)): (usize, &(&str, u8))| {
            let people = if number == 0 { r#","name":"The First""# } else { "" };
            format!(
                r#"{{"type":"Feature","properties":{{"id":"{name}"{people}}},"geometry":{{"type":"Polygon","coordinates":[[[0,0],[{size},0],[{size},1],[0,1],[0,0]]]}}}}"#
            )
        };
        let features: Vec<_> = squares.iter().enumerate().map(feature).collect();
        let text = format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","));
        Zones::from_geojson(&text).unwrap()
    }

    #[test]
    fn zones_that_are_replaced_are_shown_and_only_what_changed_is_told() {
        let told = Arc::new(Told::default());
        let source = ZoneSource::new(squares(&[("b", 1), ("a", 1)]));
        let files = ZoneFiles::default();
        // Every worker declares the view; the source is one.
        source.show(&files, told.clone(), "zones");
        source.show(&files.clone(), told.clone(), "zones");
        source.replace(squares(&[("b", 1), ("c", 2)]));
        source.replace(squares(&[("b", 3)]));
        drop(files); // the run is over
        source.replace(squares(&[("d", 3)]));
        assert_eq!(Arc::strong_count(&told), 1, "the views are let go");
        expect![[r#"
            zones a: {"type":"Feature","id":"a","properties":{"name":"a"},"geometry":{"coordinates":[[[0,0],[1,0],[1,1],[0,1],[0,0]]],"type":"Polygon"}}
            zones b: {"type":"Feature","id":"b","properties":{"name":"The First"},"geometry":{"coordinates":[[[0,0],[1,0],[1,1],[0,1],[0,0]]],"type":"Polygon"}}
            zones a: gone
            zones c: {"type":"Feature","id":"c","properties":{"name":"c"},"geometry":{"coordinates":[[[0,0],[2,0],[2,1],[0,1],[0,0]]],"type":"Polygon"}}
            zones c: gone
            zones b: {"type":"Feature","id":"b","properties":{"name":"The First"},"geometry":{"coordinates":[[[0,0],[3,0],[3,1],[0,1],[0,0]]],"type":"Polygon"}}"#]]
        .assert_eq(&told.0.lock().unwrap().join("\n"));
    }

    #[test]
    fn a_source_made_before_the_job_is_shown_by_every_run() {
        let source = ZoneSource::new(squares(&[("a", 1)]));
        let build = move |flow: &Flow| {
            flow.show_zones("zones", &source);
            flow.source("pings", Unset, EventTime::by(|at: &i64| Timestamp(*at)))
                .sink("out", Unset);
        };
        let job = TestJob::new(build).input("pings", [0i64]);
        for _ in 0..2 {
            let shown: Vec<_> = job.run().unwrap().view("zones").into_keys().collect();
            assert_eq!(shown, ["a"]);
        }
    }
}
