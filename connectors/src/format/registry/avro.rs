//! Avro values.

use super::client::{Kind, Registry, Schema as Registered, Subject};
use super::schemas::{Schemas, read};
use super::wire;
use crate::format::coding::{Decode, Encode, Prefix, Undecoded};
use crate::format::{MAX_RECORD_BYTES, Rejection, reason_of_data};
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::Schema;
use apache_avro::writer::datum::GenericDatumWriter;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use waystream_engine::error::{JobError, Result};

/// Bytes that the lengths in one value may ask for.
const MAX_ALLOCATION_BYTES: usize = 16 << 20;
/// Reads values by the schemas they were written with.
pub(crate) struct AvroDecoder {
    schemas: Schemas<Parsed>,
}

/// A schema and those it refers to.
struct Parsed {
    schema: Schema,
    referred: Vec<Schema>,
}

impl Parsed {
    fn of(schema: &Registered) -> Option<Self> {
        let referred = schema.referred.iter().map(|(_, text)| text);
        let (schema, referred) = Schema::parse_str_with_list(&schema.text, referred).ok()?;
        Some(Self { schema, referred })
    }
}

impl AvroDecoder {
    pub(crate) fn new(registry: Registry) -> Self {
        apache_avro::util::max_allocation_bytes(MAX_ALLOCATION_BYTES);
        Self { schemas: Schemas::new(registry, Kind::Avro, Parsed::of) }
    }
}

impl<R: DeserializeOwned> Decode<R> for AvroDecoder {
    fn decode(&mut self, payload: &[u8]) -> Result<R, Undecoded> {
        if payload.len() > MAX_RECORD_BYTES {
            return Err(Rejection::too_large(payload.len() as u64).into());
        }
        let (id, mut rest) = wire::split(payload)?;
        let Parsed { schema, referred } = self.schemas.get(id)?;
        let bad = |error: apache_avro::Error| wire::malformed(format!("schema {id}: {error}"));
        let value = GenericDatumReader::builder(schema)
            .writer_schemata(referred.iter().collect())
            .map_err(bad)?
            .build()
            .map_err(bad)?
            .read_value(&mut rest)
            .map_err(bad)?;
        if !rest.is_empty() {
            return Err(
                wire::malformed(format!("schema {id}: {} bytes too many", rest.len())).into()
            );
        }
        apache_avro::from_value(&value).map_err(|error| {
            let text = error.to_string();
            Rejection::new(reason_of_data(&text), text).into()
        })
    }
}

/// Writes values by one schema.
#[derive(Clone, Debug)]
pub(crate) struct AvroEncoder {
    schema: Schema,
    text: String,
    registry: Registry,
    subject: Subject,
}

impl AvroEncoder {
    /// The schema of a file.
    pub(crate) fn of(path: &Path, registry: Registry, subject: Subject) -> Result<Self> {
        let text = read(path)?;
        let schema = Schema::parse_str(&text).map_err(|error| {
            JobError::configuration(format!("{} is no Avro schema", path.display()))
                .hint("correct it, or name another with schema=FILE")
                .caused_by(error)
        })?;
        Ok(Self { schema, text, registry, subject })
    }
}

impl<T: Serialize> Encode<T> for AvroEncoder {
    fn encode(&mut self, row: &T, into: &mut Vec<u8>) -> Result<()> {
        let told = apache_avro::to_value(row)
            .and_then(|value| value.resolve(&self.schema))
            .and_then(|value| {
                GenericDatumWriter::builder(&self.schema).build()?.write_value_ref(into, &value)
            });
        told.map(drop).map_err(|error| {
            JobError::configuration(format!(
                "a row does not fit the Avro schema of `{}`",
                self.subject.0
            ))
            .hint("give the schema the fields and types of the row")
            .caused_by(error)
        })
    }
}

impl Prefix for AvroEncoder {
    fn prefix(&self) -> Result<Vec<u8>> {
        Ok(wire::header(self.registry.register(&self.subject, Kind::Avro, &self.text)?))
    }
}
