//! Avro and Protobuf values in the form of Confluent's schema registry: a zero byte and the number of a
//! schema, then the value. Schemas are asked for by their number when it is first seen.

mod avro;
mod client;
mod protobuf;
mod schemas;
#[cfg(test)]
mod stand_in;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use avro::{AvroDecoder, AvroEncoder};
pub(crate) use client::{Registry, Subject};
pub(crate) use protobuf::{ProtobufDecoder, ProtobufEncoder};
