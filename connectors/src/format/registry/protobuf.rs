//! Protobuf values.

use super::client::{Kind, Registry, Schema, Subject};
use super::schemas::{Schemas, read};
use super::wire;
use crate::format::coding::{Decode, Encode, Prefix, Undecoded};
use crate::format::{MAX_RECORD_BYTES, Rejection, reason_of_data};
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions,
};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::path::Path;
use waystream_engine::error::{JobError, Result};

/// The name that the schema itself goes by among those it imports.
const MAIN: &str = "schema.proto";

/// Files that are known by name.
struct Known(HashMap<String, String>);

impl FileResolver for Known {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.get(name) {
            Some(text) => File::from_source(name, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// Compiles a schema with what it imports.
fn compile(main: &str, imported: &[(String, String)]) -> Result<DescriptorPool, protox::Error> {
    let mut known: HashMap<_, _> = imported.iter().cloned().collect();
    known.insert(MAIN.to_owned(), main.to_owned());
    let mut resolver = ChainFileResolver::new();
    resolver.add(Known(known));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).open_file(MAIN)?;
    Ok(compiler.descriptor_pool())
}

/// The message at an index: of the file, then nested in that, and so on.
fn message_at(pool: &DescriptorPool, indexes: &[usize]) -> Option<MessageDescriptor> {
    let (first, nested) = indexes.split_first()?;
    let message = pool.get_file_by_name(MAIN)?.messages().nth(*first)?;
    nested.iter().try_fold(message, |message, index| message.child_messages().nth(*index))
}

/// Reads values by the schemas they were written with.
pub(crate) struct ProtobufDecoder {
    schemas: Schemas<DescriptorPool>,
}

impl ProtobufDecoder {
    pub(crate) fn new(registry: Registry) -> Self {
        let parse = |schema: &Schema| compile(&schema.text, &schema.referred).ok();
        Self { schemas: Schemas::new(registry, Kind::Protobuf, parse) }
    }
}

impl<R: DeserializeOwned> Decode<R> for ProtobufDecoder {
    fn decode(&mut self, payload: &[u8]) -> Result<R, Undecoded> {
        if payload.len() > MAX_RECORD_BYTES {
            return Err(Rejection::too_large(payload.len() as u64).into());
        }
        let (id, rest) = wire::split(payload)?;
        let (indexes, rest) = wire::message_index(rest)?;
        let pool = self.schemas.get(id)?;
        let message = message_at(pool, &indexes)
            .ok_or_else(|| wire::malformed(format!("schema {id} has no message {indexes:?}")))?;
        let message = DynamicMessage::decode(message, rest)
            .map_err(|error| wire::malformed(format!("schema {id}: {error}")))?;
        let options = SerializeOptions::new()
            .stringify_64_bit_integers(false)
            .use_proto_field_name(true)
            .skip_default_fields(false);
        let rejected = |error: serde_json::Error| {
            let text = error.to_string();
            Undecoded::from(Rejection::new(reason_of_data(&text), text))
        };
        let value = message
            .serialize_with_options(serde_json::value::Serializer, &options)
            .map_err(rejected)?;
        R::deserialize(value).map_err(rejected)
    }
}

/// Writes values by one message of one schema.
#[derive(Clone, Debug)]
pub(crate) struct ProtobufEncoder {
    message: MessageDescriptor,
    indexes: Vec<usize>,
    text: String,
    registry: Registry,
    subject: Subject,
}

impl ProtobufEncoder {
    /// A message of the schema in a file: the first, or that of a name.
    pub(crate) fn of(
        path: &Path,
        name: Option<&str>,
        registry: Registry,
        subject: Subject,
    ) -> Result<Self> {
        let text = read(path)?;
        let wrong = |what: String| {
            JobError::configuration(format!("{}: {what}", path.display()))
                .hint("correct it, or name another with schema=FILE and message=NAME")
        };
        let pool = compile(&text, &[])
            .map_err(|error| wrong("it is no Protobuf schema".to_owned()).caused_by(error))?;
        let file = pool.get_file_by_name(MAIN);
        let mut messages =
            file.iter().flat_map(prost_reflect::FileDescriptor::messages).enumerate();
        let found = messages.find(|(_, message)| {
            name.is_none_or(|name| message.name() == name || message.full_name() == name)
        });
        let (index, message) = found.ok_or_else(|| match name {
            Some(name) => wrong(format!("it has no message `{name}`")),
            None => wrong("it has no message".to_owned()),
        })?;
        Ok(Self { message, indexes: vec![index], text, registry, subject })
    }
}

impl<T: Serialize> Encode<T> for ProtobufEncoder {
    fn encode(&mut self, row: &T, into: &mut Vec<u8>) -> Result<()> {
        let options = DeserializeOptions::new().deny_unknown_fields(true);
        let told = serde_json::to_value(row).and_then(|value| {
            DynamicMessage::deserialize_with_options(self.message.clone(), value, &options)
        });
        let message = told.map_err(|error| {
            let name = self.message.full_name();
            JobError::configuration(format!("a row does not fit the message `{name}`"))
                .hint("give the message the fields and types of the row")
                .caused_by(error)
        })?;
        prost_reflect::prost::Message::encode(&message, into).map_err(|error| {
            JobError::failed("a row cannot be written as Protobuf").caused_by(error)
        })
    }
}

impl Prefix for ProtobufEncoder {
    fn prefix(&self) -> Result<Vec<u8>> {
        let id = self.registry.register(&self.subject, Kind::Protobuf, &self.text)?;
        let mut prefix = wire::header(id);
        wire::write_message_index(&self.indexes, &mut prefix);
        Ok(prefix)
    }
}
