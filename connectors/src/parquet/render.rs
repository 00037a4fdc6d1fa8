//! A row as JSON, for the dead letters.

use super::rows::{Column, Rows};
use serde_json::{Map, Value};

impl Rows {
    /// The row as a JSON object; numbers that JSON does not have are written as text.
    pub(crate) fn to_json(&self, row: usize) -> Vec<u8> {
        object(&self.columns, row).to_string().into_bytes()
    }
}

fn object(columns: &[(String, Column)], row: usize) -> Value {
    let pairs = columns.iter().map(|(name, column)| (name.clone(), value(column, row)));
    Value::Object(pairs.collect::<Map<String, Value>>())
}

fn value(column: &Column, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column {
        Column::Null => Value::Null,
        Column::Bool(values) => values.value(row).into(),
        Column::Int(values) => values.value(row).into(),
        Column::Unsigned(values) => values.value(row).into(),
        Column::Single(values) => number(f64::from(values.value(row))),
        Column::Double(values) => number(values.value(row)),
        Column::Bytes(values) | Column::TimeText(values) => {
            String::from_utf8_lossy(values.value(row)).into()
        }
        Column::Time(values) => values.value(row).into(),
        Column::Struct(columns, _) => object(columns, row),
        Column::Other(data_type) => format!("({data_type})").into(),
    }
}

fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
}
