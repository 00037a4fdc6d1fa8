//! Which fields a record type has, asked of its `Deserialize`, so that only their columns are read.

use serde::de::{self, DeserializeOwned, Visitor};
use std::fmt;

/// The names of the record's fields; `None` if it takes any (a map, or a flattened struct).
pub(crate) fn field_names<R: DeserializeOwned>() -> Option<&'static [&'static str]> {
    R::deserialize(Probe).err().and_then(|answer| answer.0)
}

/// The answer of a record type, carried out of its `Deserialize` as an error.
#[derive(Debug)]
struct Answer(Option<&'static [&'static str]>);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fields {:?}", self.0)
    }
}

impl std::error::Error for Answer {}

impl de::Error for Answer {
    fn custom<T: fmt::Display>(_text: T) -> Self {
        Self(None)
    }
}

struct Probe;

impl<'de> de::Deserializer<'de> for Probe {
    type Error = Answer;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Answer> {
        Err(Answer(None))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Answer> {
        Err(Answer(Some(fields)))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Answer> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its fields are looked at")]
    struct Named {
        a: u8,
        #[serde(rename = "b", alias = "bee")]
        other: u8,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its fields are looked at")]
    struct Flat {
        a: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }

    #[test]
    fn of_structs_and_maps() {
        assert_eq!(field_names::<Named>(), Some(&["a", "b", "bee"][..]));
        assert_eq!(field_names::<Flat>(), None);
        assert_eq!(field_names::<serde_json::Value>(), None);
    }
}
