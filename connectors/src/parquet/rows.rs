//! The rows of a canonical batch, with each column's type found once.

use crate::format::rfc3339_ms;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int64Type, TimestampMillisecondType, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int64Array,
    RecordBatch, TimestampMillisecondArray, UInt64Array,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};

/// A column by its type.
#[derive(Clone, Debug)]
pub(crate) enum Column {
    Null,
    Bool(BooleanArray),
    Int(Int64Array),
    Unsigned(UInt64Array),
    Single(Float32Array),
    Double(Float64Array),
    /// Bytes or text; whether it is UTF-8 is asked of each value.
    Bytes(BinaryArray),
    Time(TimestampMillisecondArray),
    /// Event time written as RFC 3339 text.
    TimeText(BinaryArray),
    Struct(Vec<(String, Self)>, Option<NullBuffer>),
    Other(DataType),
}

impl Column {
    fn of(array: &ArrayRef) -> Self {
        match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Bool(array.as_boolean().clone()),
            DataType::Int64 => Self::Int(array.as_primitive::<Int64Type>().clone()),
            DataType::UInt64 => Self::Unsigned(array.as_primitive::<UInt64Type>().clone()),
            DataType::Float32 => Self::Single(array.as_primitive::<Float32Type>().clone()),
            DataType::Float64 => Self::Double(array.as_primitive::<Float64Type>().clone()),
            DataType::Binary => Self::Bytes(array.as_binary::<i32>().clone()),
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                Self::Time(array.as_primitive::<TimestampMillisecondType>().clone())
            }
            DataType::Struct(_) => {
                let parent = array.as_struct();
                let names = parent.fields().iter().map(|field| field.name().clone());
                let children = names.zip(parent.columns().iter().map(Self::of)).collect();
                Self::Struct(children, parent.nulls().cloned())
            }
            other => Self::Other(other.clone()),
        }
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(values) => values.is_null(row),
            Self::Int(values) => values.is_null(row),
            Self::Unsigned(values) => values.is_null(row),
            Self::Single(values) => values.is_null(row),
            Self::Double(values) => values.is_null(row),
            Self::Bytes(values) | Self::TimeText(values) => values.is_null(row),
            Self::Time(values) => values.is_null(row),
            Self::Struct(_, nulls) => nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)),
            Self::Other(_) => false,
        }
    }

    /// Event time in milliseconds, if this column tells any in that row.
    fn time(&self, row: usize) -> Option<i64> {
        if self.is_null(row) {
            return None;
        }
        match self {
            Self::Time(values) => Some(values.value(row)),
            Self::Int(values) => Some(values.value(row)),
            Self::Unsigned(values) => i64::try_from(values.value(row)).ok(),
            Self::TimeText(values) => {
                let text = std::str::from_utf8(values.value(row)).ok()?;
                rfc3339_ms(text).ok()
            }
            _ => None,
        }
    }
}

/// The rows of a canonical batch.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    pub(crate) columns: Vec<(String, Column)>,
    time: Option<usize>,
}

impl Rows {
    /// Finds the types of a batch's columns; event time is in the field of this name.
    pub(crate) fn new(batch: &RecordBatch, time_field: &str) -> Self {
        let schema = batch.schema();
        let names = schema.fields().iter().map(|field| field.name().clone());
        let mut columns: Vec<_> = names.zip(batch.columns().iter().map(Column::of)).collect();
        let time = columns.iter().position(|(name, _)| name == time_field);
        if let Some((_, column)) = time.map(|at| &mut columns[at])
            && let Column::Bytes(values) = column
        {
            *column = Column::TimeText(values.clone());
        }
        Self { columns, time }
    }

    /// Event time of a row, if it has any.
    pub(crate) fn time(&self, row: usize) -> Option<i64> {
        self.columns[self.time?].1.time(row)
    }
}
