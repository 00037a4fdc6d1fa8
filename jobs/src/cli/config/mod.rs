//! Configuration: the layers it comes from, and what they come to for one job.

mod file;
mod layers;
mod options;
mod resolve;
#[cfg(test)]
mod tests;
mod variables;

pub(super) use layers::shown;
pub(super) use options::{Form, Level, Options};
pub(super) use resolve::{Resolved, Surroundings, resolve};
