//! Kafka: topics as sources, read from the offsets of the checkpoint, and as sinks, written by one
//! transaction for each payment, so that each row is there once.
//!
//! A source is a topic; its partitions are read by one consumer for each worker, with assigned
//! offsets and without a consumer group. A sink's rows wait in the checkpoint until their epoch
//! counts. Then they are produced in a transaction together with a marker, a record that says up to
//! which epoch the topic is complete; after a crash the marker tells which of the owed epochs are
//! there already. The transaction is open for milliseconds, however long the job is down.

mod address;
mod client;
mod committer;
mod delivery;
mod frame;
mod mark;
mod marker;
mod producer;
mod raw;
mod reader;
mod settings;
mod sink;
mod source;
mod start;
#[cfg(test)]
mod tests;
mod topic;
mod topics;
mod trouble;

pub(crate) use sink::KafkaSink;
pub(crate) use source::{KafkaSource, Rules};
