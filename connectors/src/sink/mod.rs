//! Where rows go: sinks that a deployment picks by URL, and that hold each row exactly once.

mod blackhole;
mod claim;
mod jsonl;
mod layout;
mod output;
mod parquet;
mod stdout;

#[cfg(test)]
mod crash;
#[cfg(test)]
mod trouble;

#[cfg(feature = "kafka")]
pub(crate) use layout::Layout;
pub use layout::TextOf;
pub use output::Output;
pub use stdout::stdout_is_taken;
