//! A row as a record: the serde side of a batch.

use super::rows::{Column, Rows};
use crate::format::{Rejection, rfc3339_ms};
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, MapAccess, Visitor};
use waystream_engine::source::Reason;

/// Why a row is no record.
#[derive(Debug)]
pub(crate) enum Misfit {
    /// This row cannot be taken.
    Row(Rejection),
    /// No row of this column can: it is of the wrong type.
    Column(String, Rejection),
    /// No row can: the record needs a field that no column has.
    Missing(String),
}

impl Rows {
    /// Decodes a row.
    pub(crate) fn decode<R: DeserializeOwned>(&self, row: usize) -> Result<R, Misfit> {
        let mut at = 0;
        let cells = Cells { columns: &self.columns, row, at: &mut at };
        R::deserialize(cells).map_err(|rejection| self.misfit(row, at, rejection))
    }

    /// Tells a wrong row from a wrong file. `at` is one past the column that was decoded last.
    fn misfit(&self, row: usize, at: usize, rejection: Rejection) -> Misfit {
        if rejection.reason == Reason::Missing
            && let Some(rest) = rejection.error.strip_prefix("missing field `")
        {
            return Misfit::Missing(rest.trim_end_matches('`').to_owned());
        }
        match self.columns.get(at.wrapping_sub(1)) {
            Some((name, column))
                if rejection.reason == Reason::WrongType
                    && !column.is_null(row)
                    && !matches!(column, Column::Struct(..)) =>
            {
                Misfit::Column(name.clone(), rejection)
            }
            _ => Misfit::Row(rejection),
        }
    }
}

/// A row as a map from field to cell.
struct Cells<'a> {
    columns: &'a [(String, Column)],
    row: usize,
    at: &'a mut usize,
}

impl<'de> de::Deserializer<'de> for Cells<'_> {
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

impl<'de> MapAccess<'de> for Cells<'_> {
    type Error = Rejection;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Rejection> {
        let Some((name, _)) = self.columns.get(*self.at) else { return Ok(None) };
        *self.at += 1;
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Rejection> {
        let (name, column) = &self.columns[*self.at - 1];
        let cell = Cell { column, row: self.row, optional: false };
        seed.deserialize(cell).map_err(|rejection| rejection.in_field(name))
    }
}

/// One value.
#[derive(Clone, Copy)]
struct Cell<'a> {
    column: &'a Column,
    row: usize,
    /// Whether the record can do without it.
    optional: bool,
}

impl Cell<'_> {
    fn is_null(self) -> bool {
        self.column.is_null(self.row)
    }

    /// A floating number, which must be one.
    fn finite(value: f64) -> Result<f64, Rejection> {
        if value.is_finite() {
            return Ok(value);
        }
        Err(Rejection::out_of_range(format!("is {value}, not a finite number")))
    }

    fn text(bytes: &[u8]) -> Result<&str, Rejection> {
        let bad = |_| Rejection::new(Reason::Malformed, "is not UTF-8");
        std::str::from_utf8(bytes).map_err(bad)
    }

    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        let whole = matches!(self.column, Column::Int(_) | Column::Unsigned(_));
        if whole && !self.optional && !self.is_null() {
            let error = "invalid type: a whole number, expected a floating one: it may count another unit, such as microdegrees";
            return Err(Rejection::new(Reason::WrongType, error));
        }
        de::Deserializer::deserialize_any(self, visitor)
    }
}

impl<'de> de::Deserializer<'de> for Cell<'_> {
    type Error = Rejection;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        let row = self.row;
        if self.is_null() {
            return visitor.visit_unit();
        }
        match self.column {
            Column::Null => visitor.visit_unit(),
            Column::Bool(values) => visitor.visit_bool(values.value(row)),
            Column::Int(values) => visitor.visit_i64(values.value(row)),
            Column::Unsigned(values) => visitor.visit_u64(values.value(row)),
            Column::Single(values) => {
                visitor.visit_f64(Self::finite(f64::from(values.value(row)))?)
            }
            Column::Double(values) => visitor.visit_f64(Self::finite(values.value(row))?),
            Column::Bytes(values) => visitor.visit_str(Self::text(values.value(row))?),
            Column::Time(values) => visitor.visit_i64(values.value(row)),
            Column::TimeText(values) => {
                visitor.visit_i64(rfc3339_ms(Self::text(values.value(row))?)?)
            }
            Column::Struct(columns, _) => visitor.visit_map(Cells { columns, row, at: &mut 0 }),
            Column::Other(data_type) => {
                let error = format!("invalid type: {data_type} is not supported");
                Err(Rejection::new(Reason::WrongType, error))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        if self.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(Self { optional: true, ..self })
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        self.number(visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        self.number(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        match self.column {
            Column::Bytes(values) if !self.is_null() => visitor.visit_bytes(values.value(self.row)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        self.deserialize_bytes(visitor)
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
        match self.column {
            Column::Bytes(values) if !self.is_null() => {
                visitor.visit_enum(StrDeserializer::new(Self::text(values.value(self.row))?))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejection> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char str string unit unit_struct seq tuple
        tuple_struct map struct identifier
    }
}
