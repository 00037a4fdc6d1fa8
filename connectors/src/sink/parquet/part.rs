//! Staged rows into the bytes of one Parquet file.

use super::columns::{Column, Kind, arrow_schema};
use super::frames::{Frame, damaged, next_frame, split_row};
use arrow_array::builder::{
    BooleanBuilder, Float32Builder, Float64Builder, Int32Builder, Int64Builder, StringBuilder,
    UInt32Builder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::error::Error;
use std::sync::Arc;
use waystream_engine::error::{JobError, Result};

/// Rows that are turned into columns at a time.
const ROWS_PER_BATCH: usize = 8192;

/// The bytes of a Parquet file with these rows.
pub(super) fn parquet_file(columns: &[Column], staged: &[Vec<u8>]) -> Result<Vec<u8>> {
    let schema = arrow_schema(columns);
    let level = ZstdLevel::try_new(1).map_err(broken)?;
    let settings = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let mut writer =
        ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(settings)).map_err(broken)?;
    let mut builders: Vec<Builder> =
        columns.iter().map(|column| Builder::of(column.kind)).collect();
    let (mut rows, mut values) = (0, Vec::new());
    let mut flush = |builders: &mut [Builder]| {
        let arrays = builders.iter_mut().map(Builder::finish).collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(broken)?;
        writer.write(&batch).map_err(broken)
    };
    for bytes in staged {
        let mut bytes = bytes.as_slice();
        while let Some(frame) = next_frame(&mut bytes)? {
            let row = match frame {
                Frame::Header(header) if header == columns => continue,
                Frame::Header(_) => return Err(damaged()),
                Frame::Row(row) => row,
            };
            split_row(row, columns, &mut values)?;
            for (builder, value) in builders.iter_mut().zip(&values) {
                builder.append(*value)?;
            }
            rows += 1;
            if rows % ROWS_PER_BATCH == 0 {
                flush(&mut builders)?;
            }
        }
    }
    flush(&mut builders)?;
    writer.into_inner().map_err(broken)
}

fn broken(error: impl Error + Send + Sync + 'static) -> JobError {
    JobError::failed("cannot build a Parquet file").caused_by(error)
}

enum Builder {
    Bool(BooleanBuilder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    UInt32(UInt32Builder),
    UInt64(UInt64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Text(StringBuilder),
}

impl Builder {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Bool => Self::Bool(BooleanBuilder::new()),
            Kind::Int32 => Self::Int32(Int32Builder::new()),
            Kind::Int64 => Self::Int64(Int64Builder::new()),
            Kind::UInt32 => Self::UInt32(UInt32Builder::new()),
            Kind::UInt64 => Self::UInt64(UInt64Builder::new()),
            Kind::Float32 => Self::Float32(Float32Builder::new()),
            Kind::Float64 => Self::Float64(Float64Builder::new()),
            Kind::Text | Kind::Json => Self::Text(StringBuilder::new()),
        }
    }

    fn append(&mut self, value: Option<&[u8]>) -> Result<()> {
        match self {
            Self::Bool(builder) => builder.append_option(value.map(|bytes| bytes == [1])),
            Self::Int32(builder) => builder.append_option(number(value, i32::from_le_bytes)?),
            Self::Int64(builder) => builder.append_option(number(value, i64::from_le_bytes)?),
            Self::UInt32(builder) => builder.append_option(number(value, u32::from_le_bytes)?),
            Self::UInt64(builder) => builder.append_option(number(value, u64::from_le_bytes)?),
            Self::Float32(builder) => builder.append_option(number(value, f32::from_le_bytes)?),
            Self::Float64(builder) => builder.append_option(number(value, f64::from_le_bytes)?),
            Self::Text(builder) => {
                let text = value.map(std::str::from_utf8).transpose().map_err(|_| damaged())?;
                builder.append_option(text);
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(builder) => Arc::new(builder.finish()),
            Self::Int32(builder) => Arc::new(builder.finish()),
            Self::Int64(builder) => Arc::new(builder.finish()),
            Self::UInt32(builder) => Arc::new(builder.finish()),
            Self::UInt64(builder) => Arc::new(builder.finish()),
            Self::Float32(builder) => Arc::new(builder.finish()),
            Self::Float64(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
        }
    }
}

fn number<const WIDTH: usize, N>(
    value: Option<&[u8]>,
    read: impl Fn([u8; WIDTH]) -> N,
) -> Result<Option<N>> {
    let bytes = value.map(<[u8; WIDTH]>::try_from).transpose().map_err(|_| damaged())?;
    Ok(bytes.map(read))
}
