//! Runs a job from a seed: workers take turns one at a time, the disk forgets what was not synced
//! and fails on request, and the job is killed and started again, with another number of workers.
//!
//! Everything that happens follows from the seed, so a failure can be seen again by its seed.

mod cues;
mod disk;
mod random;
mod rows;
mod schedule;
mod script;

pub use cues::Cues;
pub use disk::SimulatedDisk;
pub use random::Random;
pub use rows::RowsFile;
pub use schedule::{Crashes, Scenario, simulate};
pub use script::{IntoStep, Script, Step};
