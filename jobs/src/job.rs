//! A job as a binary offers it: a name, a line about it, and the function that declares it.

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
}

impl Job {
    /// A job of this name.
    #[must_use]
    pub const fn new(name: &'static str, about: &'static str, build: fn(&Flow)) -> Self {
        Self { name, about, build }
    }
}

/// The ready jobs.
#[must_use]
pub fn all() -> Vec<Job> {
    vec![Job::new(
        "fleet",
        "positions of anything that moves: live state and more",
        crate::fleet::build,
    )]
}
