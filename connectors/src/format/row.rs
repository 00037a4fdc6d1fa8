//! A row of named cells as a map from field to value, whatever its cells are.

use super::Rejection;
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, MapAccess, Visitor};
use std::fmt;
use waystream_engine::source::Reason;

/// The cells of a row with their names, in order.
pub(crate) struct Row<'a, C, I> {
    cells: I,
    /// The cell whose name was told last.
    current: Option<(&'a str, Result<C, Rejection>)>,
}

impl<'a, C, I: Iterator<Item = (&'a str, Result<C, Rejection>)>> Row<'a, C, I> {
    pub(crate) fn new(cells: I) -> Self {
        Self { cells, current: None }
    }
}

impl<'de, 'a, C, I> de::Deserializer<'de> for Row<'a, C, I>
where
    C: de::Deserializer<'de, Error = Rejection>,
    I: Iterator<Item = (&'a str, Result<C, Rejection>)>,
{
    type Error = Rejection;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        visitor.visit_map(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Rejection> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, 'a, C, I> MapAccess<'de> for Row<'a, C, I>
where
    C: de::Deserializer<'de, Error = Rejection>,
    I: Iterator<Item = (&'a str, Result<C, Rejection>)>,
{
    type Error = Rejection;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Rejection> {
        self.current = self.cells.next();
        let Some((name, _)) = self.current else { return Ok(None) };
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Rejection> {
        let Some((name, cell)) = self.current.take() else {
            return Err(de::Error::custom("a value was asked for before its name"));
        };
        let value = cell.and_then(|cell| seed.deserialize(cell));
        value.map_err(|rejection| rejection.in_field(name))
    }
}

/// A floating number, which must be one; `written` is how the row has it.
pub(crate) fn finite(value: f64, written: impl fmt::Display) -> Result<f64, Rejection> {
    if value.is_finite() {
        return Ok(value);
    }
    Err(Rejection::out_of_range(format!("`{written}` is not a finite number")))
}

/// A number rounded to an `f32`, which must hold it; `written` is how the row has it.
pub(crate) fn single(value: f32, written: impl fmt::Display) -> Result<f32, Rejection> {
    if value.is_infinite() {
        return Err(Rejection::out_of_range(format!("`{written}` is more than an f32 can hold")));
    }
    Ok(value)
}

/// Bytes as the text they must be.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, Rejection> {
    let bad = |_| Rejection::new(Reason::Malformed, "is not UTF-8");
    std::str::from_utf8(bytes).map_err(bad)
}
