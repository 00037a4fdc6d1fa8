//! How the bytes of one value become a record and back, where a connector lets a deployment choose.

use super::raw;
use super::{Rejection, decode_json};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use waystream_engine::error::{JobError, Result};

/// Why a value did not become a record.
#[derive(Debug)]
pub(crate) enum Undecoded {
    /// It cannot be taken.
    Rejected(Rejection),
    /// What is needed to tell cannot be had, such as a schema.
    #[cfg_attr(
        not(feature = "schema-registry"),
        expect(dead_code, reason = "only a registry can be out of reach")
    )]
    Failed(JobError),
}

impl From<Rejection> for Undecoded {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// Makes records of values. May ask another system now and then.
pub(crate) trait Decode<R>: Send {
    fn decode(&mut self, payload: &[u8]) -> Result<R, Undecoded>;
}

/// Makes values of rows. Runs on the worker, so it asks nobody.
pub(crate) trait Encode<T> {
    /// Appends the value.
    fn encode(&mut self, row: &T, into: &mut Vec<u8>) -> Result<()>;
}

/// Says in front of each value which schema it has; asked for once, before any value is sent.
pub(crate) trait Prefix: Send + fmt::Debug {
    fn prefix(&self) -> Result<Vec<u8>>;
}

/// JSON objects.
pub(crate) struct Json;

impl<R: DeserializeOwned> Decode<R> for Json {
    fn decode(&mut self, payload: &[u8]) -> Result<R, Undecoded> {
        Ok(decode_json(payload)?)
    }
}

impl<T: Serialize> Encode<T> for Json {
    fn encode(&mut self, row: &T, into: &mut Vec<u8>) -> Result<()> {
        serde_json::to_writer(into, row)
            .map_err(|error| JobError::failed("cannot write a row as JSON").caused_by(error))
    }
}

/// The bytes themselves.
pub(crate) struct RawBytes;

impl<R: DeserializeOwned> Decode<R> for RawBytes {
    fn decode(&mut self, payload: &[u8]) -> Result<R, Undecoded> {
        Ok(raw::decode(payload)?)
    }
}

impl<T: Serialize> Encode<T> for RawBytes {
    fn encode(&mut self, row: &T, into: &mut Vec<u8>) -> Result<()> {
        raw::encode(row, into)
    }
}

/// Nothing in front of a value.
#[derive(Debug)]
pub(crate) struct NoPrefix;

impl Prefix for NoPrefix {
    fn prefix(&self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
}
