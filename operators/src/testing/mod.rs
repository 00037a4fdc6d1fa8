//! Runs a job in a test, unmodified: sources and sinks replaced by name, crashes and clocks where the
//! test wants them, or wherever thousands of seeds put them.

mod bench;
mod job;
mod outputs;

pub(crate) use bench::TestBench;
pub use job::TestJob;
pub use outputs::TestOutputs;
pub use waystream_engine::simulation::Step;

#[cfg(test)]
mod tests;
