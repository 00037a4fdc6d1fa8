//! A row as a record: the serde side of a batch.

use super::rows::{Column, Rows};
use crate::format::{Rejection, Row, finite, rfc3339_ms, single, utf8};
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, Visitor};
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
        let cells = cells(&self.columns, row).inspect(|_| at += 1);
        R::deserialize(Row::new(cells)).map_err(|rejection| self.misfit(row, at, rejection))
    }

    /// Tells a wrong row from a wrong file. `at` is one past the column that was decoded last.
    fn misfit(&self, row: usize, at: usize, rejection: Rejection) -> Misfit {
        if let Some(field) = rejection.missing_field() {
            return Misfit::Missing(field.to_owned());
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

/// The cells of a row of these columns, each with its name.
fn cells(
    columns: &[(String, Column)],
    row: usize,
) -> impl Iterator<Item = (&str, Result<Cell<'_>, Rejection>)> {
    columns.iter().map(move |(name, column)| (&**name, Ok(Cell { column, row, optional: false })))
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
                let value = values.value(row);
                visitor.visit_f64(finite(f64::from(value), value)?)
            }
            Column::Double(values) => {
                let value = values.value(row);
                visitor.visit_f64(finite(value, value)?)
            }
            Column::Bytes(values) => visitor.visit_str(utf8(values.value(row))?),
            Column::Time(values) => visitor.visit_i64(values.value(row)),
            Column::TimeText(values) => visitor.visit_i64(rfc3339_ms(utf8(values.value(row))?)?),
            Column::Struct(columns, _) => visitor.visit_map(Row::new(cells(columns, row))),
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
        if let Column::Double(values) = self.column
            && !self.is_null()
        {
            let value = values.value(self.row);
            single(finite(value, value)? as f32, format_args!("{value:e}"))?;
        }
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
                visitor.visit_enum(StrDeserializer::new(utf8(values.value(self.row))?))
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
