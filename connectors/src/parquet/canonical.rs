//! Batches brought to a few plain types: one column per field, named as the field.
//!
//! What remains: booleans, `Int64`, `UInt64`, `Float32`, `Float64`, `Binary` (texts too), timestamps
//! in milliseconds, and structs of these. Anything else stays as it is and is refused if the
//! record wants it.

use super::layout::Layout;
use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DecimalType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, Int64Array, RecordBatch, RecordBatchOptions,
    StructArray, TimestampMillisecondArray, make_array,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use arrow_select::take::take;
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
        T::Int8 => Ok(Arc::new(whole::<Int8Type>(array))),
        T::Int16 => Ok(Arc::new(whole::<Int16Type>(array))),
        T::Int32 => Ok(Arc::new(whole::<Int32Type>(array))),
        T::UInt8 => Ok(Arc::new(whole::<UInt8Type>(array))),
        T::UInt16 => Ok(Arc::new(whole::<UInt16Type>(array))),
        T::UInt32 => Ok(Arc::new(whole::<UInt32Type>(array))),
        T::Float16 => {
            let halves = array.as_primitive::<Float16Type>();
            Ok(Arc::new(halves.unary::<_, Float32Type>(|half| half.to_f32())))
        }
        T::Decimal32(digits, scale) => Ok(decimals::<Decimal32Type>(array, *digits, *scale)),
        T::Decimal64(digits, scale) => Ok(decimals::<Decimal64Type>(array, *digits, *scale)),
        T::Decimal128(digits, scale) => Ok(decimals::<Decimal128Type>(array, *digits, *scale)),
        T::Decimal256(digits, scale) => Ok(decimals::<Decimal256Type>(array, *digits, *scale)),
        T::Utf8 => Ok(Arc::new(BinaryArray::from(array.as_string::<i32>().clone()))),
        T::LargeUtf8 => bytes(array.as_string::<i64>().iter()),
        T::Utf8View => bytes(array.as_string_view().iter()),
        T::LargeBinary => bytes(array.as_binary::<i64>().iter()),
        T::BinaryView => bytes(array.as_binary_view().iter()),
        T::FixedSizeBinary(_) => bytes(array.as_fixed_size_binary().iter()),
        T::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            plain(&take(dictionary.values(), dictionary.keys(), None)?, zone)
        }
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

/// Whole numbers of at most 32 bits.
fn whole<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &ArrayRef) -> Int64Array {
    array.as_primitive::<T>().unary(Into::into)
}

/// Each decimal as the `f64` next to it: its text is read, as a division by a power of ten would round
/// twice. The text is always a number.
fn decimals<T: DecimalType>(array: &ArrayRef, digits: u8, scale: i8) -> ArrayRef {
    let nearest = |value| T::format_decimal(value, digits, scale).parse().unwrap_or(f64::NAN);
    Arc::new(array.as_primitive::<T>().unary::<_, Float64Type>(nearest))
}

/// Texts and bytes of whatever layout.
fn bytes<T: AsRef<[u8]>>(values: impl Iterator<Item = Option<T>>) -> Result<ArrayRef> {
    let mut builder = BinaryBuilder::new();
    let mut total = 0;
    for value in values {
        total += value.as_ref().map_or(0, |value| value.as_ref().len());
        if total > i32::MAX as usize {
            return Err(ArrowError::OffsetOverflowError(total));
        }
        builder.append_option(value);
    }
    Ok(Arc::new(builder.finish()))
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
