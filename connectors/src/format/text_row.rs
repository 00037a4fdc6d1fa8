//! A row of texts under named columns, as CSV holds it, decoded by what each field asks for.

use super::row::{Row, finite, single, utf8};
use super::{Rejection, beginning};
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, Visitor};
use waystream_engine::source::Reason;

/// Decodes a row. An empty text is null; numbers must be finite.
pub(crate) fn decode_text_row<'a, R: DeserializeOwned>(
    names: &'a [String],
    cells: impl Iterator<Item = &'a [u8]>,
) -> Result<R, Rejection> {
    let texts = cells.map(|bytes| utf8(bytes).map(Cell));
    R::deserialize(Row::new(names.iter().map(String::as_str).zip(texts)))
}

/// One text of a row.
#[derive(Clone, Copy)]
struct Cell<'a>(&'a str);

impl Cell<'_> {
    fn parse<T: std::str::FromStr>(self, expected: &str) -> Result<T, Rejection> {
        let text = self.0.trim();
        if text.is_empty() {
            return Err(Rejection::new(Reason::Missing, format!("is empty, expected {expected}")));
        }
        text.parse().map_err(|_| {
            let shown = beginning(text);
            let whole = text.strip_prefix(['-', '+']).unwrap_or(text);
            let digits = whole.bytes().all(|byte| byte.is_ascii_digit());
            let reason = if digits { Reason::OutOfRange } else { Reason::WrongType };
            Rejection::new(reason, format!("`{shown}` is not {expected}"))
        })
    }

    fn finite(self) -> Result<f64, Rejection> {
        finite(self.parse("a number")?, self.0)
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
            visitor.$visit(self.parse::<$type>(concat!("a whole number (", stringify!($type), ")"))?)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Cell<'_> {
    type Error = Rejection;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        let text = self.0;
        if text.is_empty() {
            visitor.visit_unit()
        } else if let Ok(value) = text.parse::<u64>() {
            visitor.visit_u64(value)
        } else if let Ok(value) = text.parse::<i64>() {
            visitor.visit_i64(value)
        } else if text.parse::<f64>().is_ok_and(f64::is_finite) {
            visitor.visit_f64(self.finite()?)
        } else {
            visitor.visit_str(text)
        }
    }

    numbers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        self.finite()?;
        visitor.visit_f32(single(self.parse("a number")?, self.0)?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        visitor.visit_f64(self.finite()?)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        match self.0.trim() {
            "true" | "True" | "TRUE" | "1" => visitor.visit_bool(true),
            "false" | "False" | "FALSE" | "0" => visitor.visit_bool(false),
            _ => visitor.visit_bool(self.parse("true or false")?),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        if self.0.is_empty() {
            return Err(Rejection::new(Reason::Missing, "is empty, expected text"));
        }
        visitor.visit_str(self.0)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        if self.0.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Rejection> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Rejection> {
        visitor.visit_enum(StrDeserializer::new(self.0))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
    }
}
