//! What travels between stages: parcels of records for one worker, and watermarks in between.
//!
//! The payload is opaque to timely. Inside a process it is moved as it is; between processes it is
//! encoded with postcard, and decoded by the stage that knows its type.

use crate::error::{JobError, Result};
use crate::event::Data;
use crate::time::Watermark;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::any::Any;
use std::fmt;

/// A message of one worker's stage to one worker's stage.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Parcel {
    /// The worker it goes to.
    pub(crate) to: u32,
    /// The worker it comes from.
    pub(crate) from: u32,
    /// What it brings.
    pub(crate) body: Body,
}

/// Records, or the promise that none before a time will follow.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Body {
    /// A batch of records of the type that sender and receiver agreed on.
    Records(Payload),
    /// The sender's watermark.
    Watermark(Watermark),
}

/// A batch whose type only sender and receiver know.
pub(crate) enum Payload {
    /// Moved within the process.
    Moved(Box<dyn Batch>),
    /// Received from another process.
    Encoded(Vec<u8>),
}

/// A batch that can be encoded when it has to leave the process.
pub(crate) trait Batch: Send {
    /// Encodes the batch.
    fn encode(&self) -> Result<Vec<u8>, postcard::Error>;
    /// Gives the batch back as its own type.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<T: Data> Batch for Vec<T> {
    fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(self)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl Payload {
    /// Wraps a batch.
    #[must_use]
    pub(crate) fn new<T: Data>(batch: Vec<T>) -> Self {
        Self::Moved(Box::new(batch))
    }

    /// Unwraps a batch of this type.
    ///
    /// # Errors
    /// If the batch is of another type or does not decode: sender and receiver disagree.
    pub(crate) fn open<T: Data>(self) -> Result<Vec<T>> {
        match self {
            Self::Moved(batch) => {
                batch.into_any().downcast::<Vec<T>>().map(|batch| *batch).map_err(|_| {
                    JobError::failed("an edge carried records of another type")
                        .hint("this is a bug of the engine: report it with the job's plan")
                })
            }
            Self::Encoded(bytes) => postcard::from_bytes(&bytes).map_err(|error| {
                JobError::failed("records from another process do not decode")
                    .hint("run the same build in every process")
                    .caused_by(error)
            }),
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Moved(_) => "Payload::Moved",
            Self::Encoded(_) => "Payload::Encoded",
        })
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Moved(batch) => {
                serializer.serialize_bytes(&batch.encode().map_err(S::Error::custom)?)
            }
            Self::Encoded(bytes) => serializer.serialize_bytes(bytes),
        }
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer).map_err(D::Error::custom)?;
        Ok(Self::Encoded(bytes))
    }
}
