//! The columns of a row type, found without a row: the type is asked to deserialize itself, and
//! what it asks for is written down.
//!
//! Each field is traced in a run of its own that ends, by an error, as soon as the field's type is
//! known. So no valid value is ever needed.

use super::columns::{Column, Kind};
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use std::cell::Cell;
use std::fmt;
use waystream_engine::error::{JobError, Result};

/// The columns of `T`.
///
/// # Errors
/// If `T` is not a struct of plain values.
pub(super) fn columns_of<T: DeserializeOwned>() -> Result<Vec<Column>> {
    let fields = Cell::new(None);
    let _ = T::deserialize(TraceRow { fields: &fields, pick: None });
    let fields = fields.get().filter(|fields| !fields.is_empty()).ok_or_else(|| {
        let row = std::any::type_name::<T>();
        JobError::configuration(format!("`{row}` is not a struct with fields known beforehand"))
            .hint("write rows of a plain struct without #[serde(flatten)], or use jsonl:")
    })?;
    fields.iter().map(|name| column_of::<T>(name)).collect()
}

fn column_of<T: DeserializeOwned>(name: &'static str) -> Result<Column> {
    let (fields, found) = (Cell::new(None), Cell::new(None));
    let pick = Some((name, &found));
    let stopped = T::deserialize(TraceRow { fields: &fields, pick }).err();
    let Some((kind, nullable)) = found.get() else {
        let row = std::any::type_name::<T>();
        let why = stopped.map_or(String::new(), |stop| format!(": {stop}"));
        return Err(JobError::configuration(format!("`{name}` of `{row}` is no column{why}"))
            .hint("write a number, a string, a bool or an Option of one, or use jsonl:"));
    };
    Ok(Column { name: name.to_owned(), kind, nullable })
}

type Found = Cell<Option<(Kind, bool)>>;

/// Ends a run; says why if it was not planned.
#[derive(Debug)]
struct Stop(String);

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<M: fmt::Display>(message: M) -> Self {
        Self(message.to_string())
    }
}

struct TraceRow<'a> {
    fields: &'a Cell<Option<&'static [&'static str]>>,
    /// The field to look into, and where to note its type.
    pick: Option<(&'static str, &'a Found)>,
}

impl<'de> Deserializer<'de> for TraceRow<'_> {
    type Error = Stop;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        Err(Stop("not a struct".into()))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.fields.set(Some(fields));
        match self.pick {
            Some((name, found)) => visitor.visit_map(OneField { name: Some(name), found }),
            None => Err(Stop("fields are known".into())),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct OneField<'a> {
    name: Option<&'static str>,
    found: &'a Found,
}

impl<'de> MapAccess<'de> for OneField<'_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Stop> {
        self.name.take().map(|name| seed.deserialize(StrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        seed.deserialize(TraceValue { found: self.found, nullable: false })
    }
}

struct TraceValue<'a> {
    found: &'a Found,
    nullable: bool,
}

impl TraceValue<'_> {
    fn note<R>(&self, kind: Kind) -> Result<R, Stop> {
        // Any JSON value may be null.
        self.found.set(Some((kind, self.nullable || kind == Kind::Json)));
        Err(Stop("the type is known".into()))
    }
}

/// Methods that note a kind, and methods that refuse a shape.
macro_rules! trace {
    ($($method:ident($($argument:ty),*) => $kind:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, $(_: $argument,)* _: V) -> Result<V::Value, Stop> {
            self.note(Kind::$kind)
        }
    )*};
    ($($method:ident($($argument:ty),*) refused as $shape:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, $(_: $argument,)* _: V) -> Result<V::Value, Stop> {
            Err(Stop($shape.into()))
        }
    )*};
}

impl<'de> Deserializer<'de> for TraceValue<'_> {
    type Error = Stop;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_some(TraceValue { nullable: true, ..self })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    trace! {
        deserialize_any() => Json;
        deserialize_bool() => Bool;
        deserialize_i8() => Int32;
        deserialize_i16() => Int32;
        deserialize_i32() => Int32;
        deserialize_i64() => Int64;
        deserialize_u8() => UInt32;
        deserialize_u16() => UInt32;
        deserialize_u32() => UInt32;
        deserialize_u64() => UInt64;
        deserialize_f32() => Float32;
        deserialize_f64() => Float64;
        deserialize_char() => Text;
        deserialize_str() => Text;
        deserialize_string() => Text;
        deserialize_identifier() => Text;
        deserialize_enum(&'static str, &'static [&'static str]) => Text;
    }

    trace! {
        deserialize_bytes() refused as "bytes";
        deserialize_byte_buf() refused as "bytes";
        deserialize_unit() refused as "an empty value";
        deserialize_unit_struct(&'static str) refused as "an empty value";
        deserialize_seq() refused as "a list";
        deserialize_tuple(usize) refused as "a tuple";
        deserialize_tuple_struct(&'static str, usize) refused as "a tuple";
        deserialize_map() refused as "a map";
        deserialize_struct(&'static str, &'static [&'static str]) refused as "a struct";
        deserialize_ignored_any() refused as "ignored";
    }
}
