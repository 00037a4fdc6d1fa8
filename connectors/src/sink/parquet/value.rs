//! One field of a row into the bytes of its column.

use super::columns::{Column, Kind};
use serde::ser::{self, Impossible, Serialize, Serializer};
use std::fmt;

/// Why a row does not fit its columns.
#[derive(Debug)]
pub(super) struct Misfit(pub(super) String);

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misfit {}

impl ser::Error for Misfit {
    fn custom<M: fmt::Display>(message: M) -> Self {
        Self(message.to_string())
    }
}

/// Serializer methods that refuse a shape.
macro_rules! refuse {
    ($($method:ident($($argument:ty),*) -> $result:ty;)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$result, Misfit> {
            Err(self.misfit(stringify!($method)))
        }
    )*};
}
pub(super) use refuse;

/// Appends the column's number and the value, or nothing for a null. Says whether it was there.
pub(super) fn append_value<V: Serialize + ?Sized>(
    column: &Column,
    index: u16,
    value: &V,
    into: &mut Vec<u8>,
) -> Result<bool, Misfit> {
    let start = into.len();
    into.extend_from_slice(&index.to_le_bytes());
    let there = if column.kind == Kind::Json {
        let text = serde_json::to_string(value).map_err(ser::Error::custom)?;
        append_text(&text, into)?;
        text != "null"
    } else {
        value.serialize(ValueSerializer { column, into })?
    };
    if !there {
        into.truncate(start);
    }
    Ok(there)
}

fn append_text(text: &str, into: &mut Vec<u8>) -> Result<(), Misfit> {
    let length = u32::try_from(text.len()).map_err(|_| Misfit("a text over 4 GiB".into()))?;
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(text.as_bytes());
    Ok(())
}

fn misfit_of(column: &Column, what: impl fmt::Display) -> Misfit {
    Misfit(format!("column `{column}` does not take {what}"))
}

struct ValueSerializer<'a> {
    column: &'a Column,
    into: &'a mut Vec<u8>,
}

impl ValueSerializer<'_> {
    fn misfit(&self, what: impl fmt::Display) -> Misfit {
        misfit_of(self.column, what)
    }

    fn fixed(self, bytes: &[u8]) -> Result<bool, Misfit> {
        self.into.extend_from_slice(bytes);
        Ok(true)
    }

    fn integer(self, value: i128) -> Result<bool, Misfit> {
        let column = self.column;
        let misfit = |_| misfit_of(column, value);
        match self.column.kind {
            Kind::Int32 => self.fixed(&i32::try_from(value).map_err(misfit)?.to_le_bytes()),
            Kind::Int64 => self.fixed(&i64::try_from(value).map_err(misfit)?.to_le_bytes()),
            Kind::UInt32 => self.fixed(&u32::try_from(value).map_err(misfit)?.to_le_bytes()),
            Kind::UInt64 => self.fixed(&u64::try_from(value).map_err(misfit)?.to_le_bytes()),
            _ => Err(self.misfit("an integer")),
        }
    }

    fn text(self, text: &str) -> Result<bool, Misfit> {
        if self.column.kind != Kind::Text {
            return Err(self.misfit("a text"));
        }
        append_text(text, self.into)?;
        Ok(true)
    }

    fn null(self) -> Result<bool, Misfit> {
        if self.column.nullable { Ok(false) } else { Err(self.misfit("a null")) }
    }
}

/// Serializer methods of integers.
macro_rules! integers {
    ($($method:ident: $integer:ty),*) => {$(
        fn $method(self, value: $integer) -> Result<bool, Misfit> {
            self.integer(value.into())
        }
    )*};
}

impl Serializer for ValueSerializer<'_> {
    type Ok = bool;
    type Error = Misfit;
    type SerializeSeq = Impossible<bool, Misfit>;
    type SerializeTuple = Impossible<bool, Misfit>;
    type SerializeTupleStruct = Impossible<bool, Misfit>;
    type SerializeTupleVariant = Impossible<bool, Misfit>;
    type SerializeMap = Impossible<bool, Misfit>;
    type SerializeStruct = Impossible<bool, Misfit>;
    type SerializeStructVariant = Impossible<bool, Misfit>;

    fn is_human_readable(&self) -> bool {
        false
    }

    integers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    }

    fn serialize_bool(self, value: bool) -> Result<bool, Misfit> {
        match self.column.kind {
            Kind::Bool => self.fixed(&[u8::from(value)]),
            _ => Err(self.misfit("a bool")),
        }
    }

    fn serialize_f32(self, value: f32) -> Result<bool, Misfit> {
        match self.column.kind {
            Kind::Float32 => self.fixed(&value.to_le_bytes()),
            Kind::Float64 => self.fixed(&f64::from(value).to_le_bytes()),
            _ => Err(self.misfit("a float")),
        }
    }

    fn serialize_f64(self, value: f64) -> Result<bool, Misfit> {
        match self.column.kind {
            Kind::Float64 => self.fixed(&value.to_le_bytes()),
            _ => Err(self.misfit("a 64-bit float")),
        }
    }

    fn serialize_char(self, value: char) -> Result<bool, Misfit> {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<bool, Misfit> {
        self.text(value)
    }

    fn serialize_none(self) -> Result<bool, Misfit> {
        self.null()
    }

    fn serialize_some<V: Serialize + ?Sized>(self, value: &V) -> Result<bool, Misfit> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<V: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &V,
    ) -> Result<bool, Misfit> {
        value.serialize(self)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<bool, Misfit> {
        self.text(variant)
    }

    fn serialize_newtype_variant<V: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &V,
    ) -> Result<bool, Misfit> {
        Err(self.misfit(format_args!("`{variant}` with a value")))
    }

    refuse! {
        serialize_bytes(&[u8]) -> bool;
        serialize_unit() -> bool;
        serialize_unit_struct(&'static str) -> bool;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize)
            -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize)
            -> Self::SerializeStructVariant;
    }
}
