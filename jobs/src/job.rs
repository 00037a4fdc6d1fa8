//! A job as a binary offers it: a name, a line about it, and the function that declares it.

use std::collections::BTreeMap;
use waystream_operators::Flow;

/// A job that can be run by its name.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// The name on the command line and in checkpoints.
    pub name: &'static str,
    /// One line for the list of jobs.
    pub about: &'static str,
    /// Declares the job.
    pub build: fn(&Flow),
    /// Zones for the live map as GeoJSON text, from the job's settings.
    pub zones: fn(&BTreeMap<String, String>) -> Option<String>,
}

impl Job {
    /// A job of this name.
    #[must_use]
    pub const fn new(name: &'static str, about: &'static str, build: fn(&Flow)) -> Self {
        Self { name, about, build, zones: |_| None }
    }

    /// The same job with zones on its map.
    #[must_use]
    pub const fn with_zones(self, zones: fn(&BTreeMap<String, String>) -> Option<String>) -> Self {
        Self { zones, ..self }
    }
}

/// The ready jobs.
#[must_use]
pub fn all() -> Vec<Job> {
    let about = "positions of anything that moves: live entities, cells, crossings, trips, stops";
    vec![Job::new("fleet", about, crate::fleet::build).with_zones(crate::fleet::zones_text)]
}
