//! A row of texts under named columns, as CSV holds it, decoded by what each field asks for.

use super::Rejection;
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, MapAccess, Visitor};
use waystream_engine::source::Reason;

/// Decodes a row. An empty text is null; numbers must be finite.
pub(crate) fn decode_text_row<R: DeserializeOwned>(
    names: &[String],
    cells: &csv::ByteRecord,
) -> Result<R, Rejection> {
    R::deserialize(Row { names, cells, at: 0 })
}

struct Row<'a> {
    names: &'a [String],
    cells: &'a csv::ByteRecord,
    at: usize,
}

impl<'a> Row<'a> {
    fn cell(&self) -> Result<Cell<'a>, Rejection> {
        let raw = self.cells.get(self.at).unwrap_or_default();
        let bad = |_| Rejection::new(Reason::Malformed, "not UTF-8");
        Ok(Cell(std::str::from_utf8(raw).map_err(bad)?))
    }
}

impl<'de> de::Deserializer<'de> for Row<'_> {
    type Error = Rejection;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        visitor.visit_map(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

impl<'de> MapAccess<'de> for Row<'_> {
    type Error = Rejection;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Rejection> {
        match self.names.get(self.at) {
            Some(name) => seed.deserialize(StrDeserializer::new(name)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Rejection> {
        let value = self.cell().and_then(|cell| seed.deserialize(cell));
        let value = value.map_err(|rejection| rejection.in_field(&self.names[self.at]));
        self.at += 1;
        value
    }
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
            let shown: String = text.chars().take(64).collect();
            let whole = text.strip_prefix(['-', '+']).unwrap_or(text);
            let digits = whole.bytes().all(|byte| byte.is_ascii_digit());
            let reason = if digits { Reason::OutOfRange } else { Reason::WrongType };
            Rejection::new(reason, format!("`{shown}` is not {expected}"))
        })
    }

    fn finite(self) -> Result<f64, Rejection> {
        let value: f64 = self.parse("a number")?;
        if value.is_finite() {
            return Ok(value);
        }
        Err(Rejection::out_of_range(format!("`{}` is not a finite number", self.0)))
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
        visitor.visit_f32(self.parse("a number")?)
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

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}
