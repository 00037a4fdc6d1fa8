//! A job as a binary offers it: a name, a line about it, and the function that declares it.

use waystream_engine::error::{JobError, Result};
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
    let about = "positions of anything that moves: live entities, cells, crossings, trips, stops";
    let replay = "positions from an archive to another place, as they are";
    vec![
        Job::new("fleet", about, crate::fleet::build),
        Job::new("replay", replay, crate::replay::build),
    ]
}

/// Refuses names that cannot be those of a binary's jobs: they name folders of checkpoints.
pub(crate) fn check_names(jobs: &[Job]) -> Result<()> {
    for (at, job) in jobs.iter().enumerate() {
        let holds = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let is_fine = job.name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && job.name.chars().all(holds)
            && job.name.len() <= 64;
        if !is_fine {
            let what = format!("{:?} cannot be the name of a job", job.name);
            return Err(JobError::configuration(what).hint(
                "use up to 64 letters, digits, `-` and `_`, and begin with none of the last",
            ));
        }
        if jobs[..at].iter().any(|other| other.name == job.name) {
            let what = format!("two jobs of this binary are named `{}`", job.name);
            return Err(JobError::configuration(what).hint("give each its own name"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_jobs() {
        let job = |name| Job::new(name, "", |_| {});
        for name in ["fleet", "Rides_2", "1-a"] {
            assert!(check_names(&[job(name)]).is_ok(), "{name}");
        }
        for name in ["", "a/b", "..", "a b", "a\n", "🚢", "-x", "a.b"] {
            assert!(check_names(&[job(name)]).is_err(), "{name}");
        }
        assert!(check_names(&[job("a"), job("b"), job("a")]).is_err());
    }
}
