//! Values as they are: for a job that reads or writes bytes of a form of its own.

use super::{MAX_RECORD_BYTES, Rejection};
use serde::de::value::BytesDeserializer;
use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::ser::{Impossible, Serializer};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use waystream_engine::error::{JobError, Result};

/// The bytes of a value, for `format=raw`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Raw(pub Vec<u8>);

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Raw, E> {
        Ok(Raw(bytes.to_vec()))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Raw, E> {
        Ok(Raw(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Raw, A::Error> {
        let mut all = Vec::new();
        while let Some(byte) = bytes.next_element()? {
            if all.len() == MAX_RECORD_BYTES {
                return Err(A::Error::custom("more bytes than a record may have"));
            }
            all.push(byte);
        }
        Ok(Raw(all))
    }
}

/// The record that is made of these bytes.
pub(super) fn decode<R: DeserializeOwned>(payload: &[u8]) -> Result<R, Rejection> {
    if payload.len() > MAX_RECORD_BYTES {
        return Err(Rejection::too_large(payload.len() as u64));
    }
    R::deserialize(BytesDeserializer::new(payload))
}

/// Appends the bytes that a row is.
pub(super) fn encode<T: Serialize>(row: &T, into: &mut Vec<u8>) -> Result<()> {
    row.serialize(Bytes(into)).map_err(|error| {
        JobError::configuration("a row is no bytes, as format=raw needs it")
            .hint("let the job put out format::Raw, or choose another format")
            .caused_by(error)
    })
}

/// Takes bytes and text, and nothing else.
struct Bytes<'a>(&'a mut Vec<u8>);

type Not = Impossible<(), serde_json::Error>;

fn no_bytes<T>(what: &str) -> Result<T, serde_json::Error> {
    Err(<serde_json::Error as serde::ser::Error>::custom(format!("found {what}")))
}

macro_rules! refuse {
    ($($name:ident($($type:ty),*) -> $ok:ty = $what:literal;)*) => {
        $(fn $name(self, $(_: $type),*) -> Result<$ok, Self::Error> { no_bytes($what) })*
    };
}

impl Serializer for Bytes<'_> {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = Not;
    type SerializeTuple = Not;
    type SerializeTupleStruct = Not;
    type SerializeTupleVariant = Not;
    type SerializeMap = Not;
    type SerializeStruct = Not;
    type SerializeStructVariant = Not;

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn serialize_str(self, text: &str) -> Result<(), Self::Error> {
        self.serialize_bytes(text.as_bytes())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Self::Error> {
        value.serialize(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Self::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Self::Error> {
        no_bytes("an enum")
    }

    refuse! {
        serialize_bool(bool) -> () = "a boolean";
        serialize_i8(i8) -> () = "a number";
        serialize_i16(i16) -> () = "a number";
        serialize_i32(i32) -> () = "a number";
        serialize_i64(i64) -> () = "a number";
        serialize_u8(u8) -> () = "a number";
        serialize_u16(u16) -> () = "a number";
        serialize_u32(u32) -> () = "a number";
        serialize_u64(u64) -> () = "a number";
        serialize_f32(f32) -> () = "a number";
        serialize_f64(f64) -> () = "a number";
        serialize_char(char) -> () = "a character";
        serialize_none() -> () = "nothing";
        serialize_unit() -> () = "nothing";
        serialize_unit_struct(&'static str) -> () = "nothing";
        serialize_unit_variant(&'static str, u32, &'static str) -> () = "an enum";
        serialize_seq(Option<usize>) -> Not = "a list";
        serialize_tuple(usize) -> Not = "a list";
        serialize_tuple_struct(&'static str, usize) -> Not = "a list";
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Not = "an enum";
        serialize_map(Option<usize>) -> Not = "a map";
        serialize_struct(&'static str, usize) -> Not = "a struct";
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Not = "an enum";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_what_they_were() {
        let bytes = b"\0\xff any".to_vec();
        let raw: Raw = decode(&bytes).unwrap();
        assert_eq!(raw.0, bytes);
        let mut written = Vec::new();
        encode(&raw, &mut written).unwrap();
        encode(&"text", &mut written).unwrap();
        assert_eq!(written, [&bytes[..], b"text"].concat());
        let back: Raw = postcard::from_bytes(&postcard::to_allocvec(&raw).unwrap()).unwrap();
        assert_eq!(back, raw);
        let json = serde_json::to_string(&raw).unwrap();
        assert_eq!(serde_json::from_str::<Raw>(&json).unwrap(), raw);
    }

    #[test]
    fn what_is_no_bytes_is_refused() {
        assert!(decode::<i64>(b"7").is_err());
        assert!(decode::<Raw>(&vec![0; MAX_RECORD_BYTES + 1]).is_err());
        let error = encode(&(1, 2), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().ends_with("found a list"), "{error}");
    }
}
