//! Which form the values of a topic have: `format=` in its URL, and what goes with it.

use super::coding::{Decode, Encode, Json, NoPrefix, Prefix, RawBytes};
use crate::url::Url;
use serde::Serialize;
use serde::de::DeserializeOwned;
use waystream_engine::did_you_mean;
use waystream_engine::error::{JobError, Result};

/// Keys of a URL that say how values are read.
pub(crate) const READING: [&str; 2] = ["format", "registry"];
/// Keys of a URL that say how values are written.
pub(crate) const WRITING: [&str; 5] = ["format", "registry", "schema", "message", "subject"];

/// The forms there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Raw,
    Avro,
    Protobuf,
}

const FORMS: [(&str, Form); 4] =
    [("json", Form::Json), ("raw", Form::Raw), ("avro", Form::Avro), ("protobuf", Form::Protobuf)];

/// How the values of a topic are read or written.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(feature = "schema-registry"),
    expect(dead_code, reason = "what leads to the registry is not read without it")
)]
pub(crate) struct Choice {
    form: Form,
    url: Url,
    topic: String,
    /// What is said to the registry in `Authorization`.
    authorization: Option<String>,
}

impl Choice {
    /// What the URL of a topic says.
    pub(crate) fn of(url: &Url, topic: &str, authorization: Option<String>) -> Result<Self> {
        let text = url.get("format").unwrap_or("json");
        let found = FORMS.iter().find(|(word, _)| *word == text);
        let (_, form) = found.ok_or_else(|| {
            JobError::configuration(format!("`format={text}` is not known"))
                .hint(did_you_mean(text, FORMS.iter().map(|(word, _)| *word)))
        })?;
        let has_schema = matches!(form, Form::Avro | Form::Protobuf);
        let beside = ["registry", "schema", "message", "subject"];
        if let Some(key) = beside.into_iter().find(|key| url.get(key).is_some() && !has_schema) {
            return Err(JobError::configuration(format!(
                "`{key}` says nothing with format={text}"
            ))
            .hint("leave it out, or write format=avro or format=protobuf"));
        }
        Ok(Self { form: *form, url: url.clone(), topic: topic.to_owned(), authorization })
    }

    /// A reader of values.
    pub(crate) fn decoder<R: DeserializeOwned + 'static>(&self) -> Result<Box<dyn Decode<R>>> {
        match self.form {
            Form::Json => Ok(Box::new(Json)),
            Form::Raw => Ok(Box::new(RawBytes)),
            Form::Avro | Form::Protobuf => self.registered_decoder(),
        }
    }

    /// A writer of values.
    pub(crate) fn encoder<T: Serialize + 'static>(&self) -> Result<Box<dyn Encode<T>>> {
        match self.form {
            Form::Json => Ok(Box::new(Json)),
            Form::Raw => Ok(Box::new(RawBytes)),
            Form::Avro | Form::Protobuf => self.registered_encoder(),
        }
    }

    /// What stands in front of each value.
    pub(crate) fn prefix(&self) -> Result<Box<dyn Prefix>> {
        match self.form {
            Form::Json | Form::Raw => Ok(Box::new(NoPrefix)),
            Form::Avro | Form::Protobuf => self.registered_prefix(),
        }
    }
}

#[cfg(feature = "schema-registry")]
mod registered {
    //! Forms whose schemas are in a registry.

    use super::{Choice, Form};
    use crate::format::coding::{Decode, Encode, Prefix};
    use crate::format::registry::{
        AvroDecoder, AvroEncoder, ProtobufDecoder, ProtobufEncoder, Registry, Subject,
    };
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use std::path::Path;
    use waystream_engine::error::{JobError, Result};

    impl Choice {
        fn registry(&self) -> Result<Registry> {
            let url = self.url.get("registry").ok_or_else(|| {
                JobError::configuration("the schemas of the values are not said")
                    .hint("name the schema registry with registry=http://HOST:PORT")
            })?;
            Registry::at(url, self.authorization.clone())
        }

        fn subject(&self) -> Subject {
            let named = self.url.get("subject").map(str::to_owned);
            Subject(named.unwrap_or_else(|| format!("{}-value", self.topic)))
        }

        fn schema(&self) -> Result<&Path> {
            self.url.get("schema").map(Path::new).ok_or_else(|| {
                JobError::configuration("the schema of the rows is not said")
                    .hint("name its file with schema=FILE")
            })
        }

        fn avro(&self) -> Result<AvroEncoder> {
            AvroEncoder::of(self.schema()?, self.registry()?, self.subject())
        }

        fn protobuf(&self) -> Result<ProtobufEncoder> {
            let (schema, message) = (self.schema()?, self.url.get("message"));
            ProtobufEncoder::of(schema, message, self.registry()?, self.subject())
        }

        pub(super) fn registered_decoder<R: DeserializeOwned + 'static>(
            &self,
        ) -> Result<Box<dyn Decode<R>>> {
            let registry = self.registry()?;
            match self.form {
                Form::Protobuf => Ok(Box::new(ProtobufDecoder::new(registry))),
                _ => Ok(Box::new(AvroDecoder::new(registry))),
            }
        }

        pub(super) fn registered_encoder<T: Serialize + 'static>(
            &self,
        ) -> Result<Box<dyn Encode<T>>> {
            match self.form {
                Form::Protobuf => Ok(Box::new(self.protobuf()?)),
                _ => Ok(Box::new(self.avro()?)),
            }
        }

        pub(super) fn registered_prefix(&self) -> Result<Box<dyn Prefix>> {
            match self.form {
                Form::Protobuf => Ok(Box::new(self.protobuf()?)),
                _ => Ok(Box::new(self.avro()?)),
            }
        }
    }
}

#[cfg(not(feature = "schema-registry"))]
mod registered {
    //! This binary reads no registry.

    use super::Choice;
    use crate::format::coding::{Decode, Encode, Prefix};
    use waystream_engine::error::{JobError, Result};

    fn missing<T>() -> Result<T> {
        Err(JobError::configuration("this binary was built without Avro and Protobuf")
            .hint("build it with them: cargo run --release --features schema-registry -- …"))
    }

    impl Choice {
        pub(super) fn registered_decoder<R>(&self) -> Result<Box<dyn Decode<R>>> {
            missing()
        }

        pub(super) fn registered_encoder<T>(&self) -> Result<Box<dyn Encode<T>>> {
            missing()
        }

        pub(super) fn registered_prefix(&self) -> Result<Box<dyn Prefix>> {
            missing()
        }
    }
}
