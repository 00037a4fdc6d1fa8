//! Batches brought to a few plain types: one column per field, named as the field.
//!
//! What remains: booleans, `Int64`, `UInt64`, `Float32`, `Float64`, `Binary` (texts too), timestamps
//! in milliseconds, and structs of these. Anything else stays as it is and is refused if the
//! record wants it.

use super::layout::Layout;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{
    Array, ArrayRef, RecordBatch, RecordBatchOptions, StructArray, TimestampMillisecondArray,
    make_array,
};
use arrow_buffer::NullBuffer;
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use jiff::tz::TimeZone;
use std::sync::Arc;

type Result<T> = std::result::Result<T, ArrowError>;

const DAY_MS: i64 = 86_400_000;

/// The fields of a batch in plain types. Columns that the batch does not have are left out.
pub(crate) fn canonical(
    batch: &RecordBatch,
    layout: &Layout,
    zone: Option<&TimeZone>,
) -> Result<RecordBatch> {
    let mut fields = Vec::with_capacity(layout.fields.len());
    let mut arrays = Vec::with_capacity(layout.fields.len());
    for (name, parts) in &layout.fields {
        if let Some(array) = at_path(batch, parts)? {
            let array = plain(&array, zone)?;
            fields.push(Field::new(name, array.data_type().clone(), true));
            arrays.push(array);
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
}

/// The column at a path; a null anywhere on the way makes it null.
fn at_path(batch: &RecordBatch, parts: &[String]) -> Result<Option<ArrayRef>> {
    let Some((first, rest)) = parts.split_first() else { return Ok(None) };
    let Some(mut array) = batch.column_by_name(first).cloned() else { return Ok(None) };
    for part in rest {
        let Some(parent) = array.as_struct_opt() else { return Ok(None) };
        let Some(child) = parent.column_by_name(part) else { return Ok(None) };
        let nulls = NullBuffer::union(parent.nulls(), child.nulls());
        array = make_array(child.to_data().into_builder().nulls(nulls).build()?);
    }
    Ok(Some(array))
}

fn plain(array: &ArrayRef, zone: Option<&TimeZone>) -> Result<ArrayRef> {
    use DataType as T;
    match array.data_type() {
        T::Int8 | T::Int16 | T::Int32 | T::UInt8 | T::UInt16 | T::UInt32 => cast(array, &T::Int64),
        T::Float16 => cast(array, &T::Float32),
        T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) | T::Decimal256(..) => {
            cast(array, &T::Float64)
        }
        T::Utf8View => plain(&cast(array, &T::Utf8)?, zone),
        T::Utf8 | T::LargeUtf8 | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => {
            cast(array, &T::Binary)
        }
        T::Dictionary(_, value) => plain(&cast(array, value)?, zone),
        T::Date32 => {
            let days = array.as_primitive::<Date32Type>();
            Ok(Arc::new(days.unary::<_, TimestampMillisecondType>(|day| i64::from(day) * DAY_MS)))
        }
        T::Date64 => {
            let instants = array.as_primitive::<Date64Type>();
            Ok(Arc::new(instants.unary::<_, TimestampMillisecondType>(|instant| instant)))
        }
        T::Timestamp(unit, None) => Ok(Arc::new(in_zone(milliseconds(array, *unit), zone))),
        T::Timestamp(unit, Some(_)) => Ok(Arc::new(milliseconds(array, *unit))),
        T::Struct(_) => {
            let parent = array.as_struct();
            let mut fields = Vec::new();
            let mut children = Vec::new();
            for (field, child) in parent.fields().iter().zip(parent.columns()) {
                let child = plain(child, zone)?;
                fields.push(Field::new(field.name(), child.data_type().clone(), true));
                children.push(child);
            }
            let nulls = parent.nulls().cloned();
            Ok(Arc::new(StructArray::try_new(fields.into(), children, nulls)?))
        }
        _ => Ok(array.clone()),
    }
}

/// Epoch milliseconds, cut towards the past; what does not fit becomes null.
fn milliseconds(array: &ArrayRef, unit: TimeUnit) -> TimestampMillisecondArray {
    type Ms = TimestampMillisecondType;
    match unit {
        TimeUnit::Second => {
            array.as_primitive::<TimestampSecondType>().unary_opt::<_, Ms>(|s| s.checked_mul(1000))
        }
        TimeUnit::Millisecond => array.as_primitive::<Ms>().unary::<_, Ms>(|ms| ms),
        TimeUnit::Microsecond => array
            .as_primitive::<TimestampMicrosecondType>()
            .unary::<_, Ms>(|us| us.div_euclid(1000)),
        TimeUnit::Nanosecond => array
            .as_primitive::<TimestampNanosecondType>()
            .unary::<_, Ms>(|ns| ns.div_euclid(1_000_000)),
    }
}

/// Local times of a zone as instants. A time that a clock change repeats or leaves out is taken as
/// jiff takes it by default: the first of two, or moved later.
fn in_zone(local: TimestampMillisecondArray, zone: Option<&TimeZone>) -> TimestampMillisecondArray {
    let Some(zone) = zone.filter(|zone| **zone != TimeZone::UTC) else { return local };
    local.unary_opt(|ms| {
        let utc = jiff::Timestamp::from_millisecond(ms).ok()?;
        let civil = TimeZone::UTC.to_datetime(utc);
        Some(zone.to_timestamp(civil).ok()?.as_millisecond())
    })
}
