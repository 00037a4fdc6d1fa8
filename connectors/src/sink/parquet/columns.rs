//! The columns of a flat row, and how staged bytes and Arrow call them.

use arrow_schema::{DataType, Field, Schema};
use std::fmt;
use std::sync::Arc;

/// A value type that both a row's field and a Parquet column can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int32,
    Int64,
    UInt32,
    UInt64,
    Float32,
    Float64,
    Text,
    /// Any value, as JSON text.
    Json,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Bool,
        Self::Int32,
        Self::Int64,
        Self::UInt32,
        Self::UInt64,
        Self::Float32,
        Self::Float64,
        Self::Text,
        Self::Json,
    ];

    /// The kind with this number in staged bytes.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Bytes of a value, or `None` if the value carries its own length.
    pub(super) fn width(self) -> Option<usize> {
        match self {
            Self::Bool => Some(1),
            Self::Int32 | Self::UInt32 | Self::Float32 => Some(4),
            Self::Int64 | Self::UInt64 | Self::Float64 => Some(8),
            Self::Text | Self::Json => None,
        }
    }

    fn arrow(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::UInt32 => DataType::UInt32,
            Self::UInt64 => DataType::UInt64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Text | Self::Json => DataType::Utf8,
        }
    }
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) nullable: bool,
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.nullable { "?" } else { "" };
        write!(f, "{}: {:?}{mark}", self.name, self.kind)
    }
}

/// The Arrow schema of these columns.
pub(super) fn arrow_schema(columns: &[Column]) -> Arc<Schema> {
    let field = |column: &Column| Field::new(&column.name, column.kind.arrow(), column.nullable);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}
