//! Rows into staged bytes: the columns once at the start of a buffer, then each row's values.

use super::columns::Column;
use super::frames::{append_frame, append_header};
use super::value::{Misfit, append_value, refuse};
use serde::ser::{Impossible, Serialize, SerializeStruct, Serializer};
use std::sync::Arc;
use waystream_engine::error::{JobError, Result};
use waystream_engine::sink::Encoder;

/// Encodes rows of these columns.
#[derive(Debug)]
pub(super) struct RowEncoder {
    pub(super) columns: Arc<[Column]>,
}

impl<T: Serialize> Encoder<T> for RowEncoder {
    fn encode(&mut self, row: &T, into: &mut Vec<u8>) -> Result<()> {
        if into.is_empty() {
            append_header(&self.columns, into)?;
        }
        append_frame(into, |into| {
            row.serialize(RowSerializer { columns: &self.columns, into }).map_err(|error| {
                let row = std::any::type_name::<T>();
                JobError::failed(format!("a `{row}` does not fit its Parquet columns"))
                    .hint("its Serialize and Deserialize must agree on fields and types")
                    .caused_by(error)
            })
        })
    }
}

struct RowSerializer<'a> {
    columns: &'a [Column],
    into: &'a mut Vec<u8>,
}

impl RowSerializer<'_> {
    #[expect(clippy::unused_self, reason = "the refusing methods are shared with values")]
    fn misfit(&self, method: &str) -> Misfit {
        Misfit(format!("the row is not a struct ({method})"))
    }
}

impl<'a> Serializer for RowSerializer<'a> {
    type Ok = ();
    type Error = Misfit;
    type SerializeSeq = Impossible<(), Misfit>;
    type SerializeTuple = Impossible<(), Misfit>;
    type SerializeTupleStruct = Impossible<(), Misfit>;
    type SerializeTupleVariant = Impossible<(), Misfit>;
    type SerializeMap = Impossible<(), Misfit>;
    type SerializeStruct = RowFields<'a>;
    type SerializeStructVariant = Impossible<(), Misfit>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<RowFields<'a>, Misfit> {
        Ok(RowFields { columns: self.columns, into: self.into, next: 0, given: 0 })
    }

    fn serialize_newtype_struct<V: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &V,
    ) -> Result<(), Misfit> {
        value.serialize(self)
    }

    fn serialize_some<V: Serialize + ?Sized>(self, _: &V) -> Result<(), Misfit> {
        Err(self.misfit("serialize_some"))
    }

    fn serialize_newtype_variant<V: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &V,
    ) -> Result<(), Misfit> {
        Err(self.misfit("serialize_newtype_variant"))
    }

    refuse! {
        serialize_bool(bool) -> ();
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_i32(i32) -> ();
        serialize_i64(i64) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_u32(u32) -> ();
        serialize_u64(u64) -> ();
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_str(&str) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize)
            -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct_variant(&'static str, u32, &'static str, usize)
            -> Self::SerializeStructVariant;
    }
}

struct RowFields<'a> {
    columns: &'a [Column],
    into: &'a mut Vec<u8>,
    /// The column that is expected next; fields mostly come in order.
    next: usize,
    /// Values given for columns that must have one.
    given: usize,
}

impl SerializeStruct for RowFields<'_> {
    type Ok = ();
    type Error = Misfit;

    fn serialize_field<V: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &V,
    ) -> Result<(), Misfit> {
        let expected = self.columns.get(self.next).filter(|column| column.name == key);
        let index = match expected {
            Some(_) => self.next,
            None => (self.columns.iter().position(|column| column.name == key))
                .ok_or_else(|| Misfit(format!("field `{key}` has no column")))?,
        };
        let column = &self.columns[index];
        let there = append_value(column, index as u16, value, self.into)?;
        self.next = index + 1;
        self.given += usize::from(there && !column.nullable);
        Ok(())
    }

    fn end(self) -> Result<(), Misfit> {
        let needed = self.columns.iter().filter(|column| !column.nullable).count();
        if self.given == needed {
            return Ok(());
        }
        Err(Misfit(format!("{} of {needed} needed fields were given", self.given)))
    }
}
