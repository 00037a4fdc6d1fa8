//! How rows wait in the checkpoint for their transaction: key, headers and value, framed one by one.

use crate::format::Encode;
use crate::sink::Layout;
use waystream_engine::error::{JobError, Result};
use waystream_engine::sink::Encoder;

const HAS_KEY: u8 = 1;
const IS_REMOVAL: u8 = 2;

/// Frames rows: the length of what follows, flags, key, headers, and the value.
pub(super) struct FrameEncoder<T> {
    pub(super) layout: Layout<T>,
    pub(super) value: Box<dyn Encode<T>>,
}

impl<T> FrameEncoder<T> {
    fn append(&mut self, row: &T, into: &mut Vec<u8>) -> Result<()> {
        let Layout { key, is_removal, headers } = &self.layout;
        let key = key.map(|key| key(row));
        let is_removal = is_removal.is_some_and(|is_removal| is_removal(row));
        let flags =
            if key.is_some() { HAS_KEY } else { 0 } | if is_removal { IS_REMOVAL } else { 0 };
        into.push(flags);
        if let Some(key) = key {
            append_text(&key, into)?;
        }
        into.push(headers.len() as u8);
        for (name, value) in headers {
            append_text(name, into)?;
            append_text(&value(row), into)?;
        }
        if !is_removal {
            self.value.encode(row, into)?;
        }
        Ok(())
    }
}

impl<T> Encoder<T> for FrameEncoder<T> {
    fn encode(&mut self, row: &T, into: &mut Vec<u8>) -> Result<()> {
        let start = into.len();
        into.extend_from_slice(&[0; 4]);
        if let Err(error) = self.append(row, into) {
            into.truncate(start);
            return Err(error);
        }
        let length = (into.len() - start - 4) as u32;
        into[start..start + 4].copy_from_slice(&length.to_le_bytes());
        Ok(())
    }
}

fn append_text(text: &str, into: &mut Vec<u8>) -> Result<()> {
    let length = u16::try_from(text.len()).map_err(|_| {
        JobError::failed(format!("a key or header of a row has {} bytes", text.len()))
            .hint("the limit is 65535 bytes")
    })?;
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(text.as_bytes());
    Ok(())
}

/// A framed row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) headers: Vec<(&'a str, &'a [u8])>,
    /// `None` if the key is gone.
    pub(super) value: Option<&'a [u8]>,
}

/// The rows of a staged batch.
pub(super) fn frames(bytes: &[u8]) -> impl Iterator<Item = Result<Frame<'_>>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let frame = take(&mut rest, 4)
            .and_then(|length| length.try_into().ok())
            .and_then(|length| take(&mut rest, u32::from_le_bytes(length) as usize))
            .and_then(frame);
        if frame.is_none() {
            rest = &[];
        }
        Some(frame.ok_or_else(|| {
            JobError::checkpoint("rows that wait for Kafka are not whole")
                .hint("run the version that wrote the checkpoint, or start anew with --fresh")
        }))
    })
}

fn frame(bytes: &[u8]) -> Option<Frame<'_>> {
    let mut rest = bytes;
    let flags = take(&mut rest, 1)?[0];
    let key = if flags & HAS_KEY == 0 { None } else { Some(take_text(&mut rest)?) };
    let count = take(&mut rest, 1)?[0];
    let mut headers = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let name = std::str::from_utf8(take_text(&mut rest)?).ok()?;
        headers.push((name, take_text(&mut rest)?));
    }
    Some(Frame { key, headers, value: (flags & IS_REMOVAL == 0).then_some(rest) })
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(taken)
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u16::from_le_bytes(take(rest, 2)?.try_into().ok()?);
    take(rest, usize::from(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Json;
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        id: String,
        n: i64,
    }

    fn encoder() -> FrameEncoder<Row> {
        FrameEncoder {
            value: Box::new(Json),
            layout: Layout {
                key: Some(|row: &Row| row.id.as_str().into()),
                is_removal: Some(|row| row.n < 0),
                headers: vec![
                    ("n", |row| row.n.to_string().into()),
                    ("id", |row| (&*row.id).into()),
                ],
            },
        }
    }

    proptest! {
        #[test]
        fn rows_come_back(rows in prop::collection::vec((".{0,20}", any::<i64>()), 0..20)) {
            let rows: Vec<Row> = rows.into_iter().map(|(id, n)| Row { id, n }).collect();
            let mut bytes = Vec::new();
            for row in &rows {
                encoder().encode(row, &mut bytes).unwrap();
            }
            let found: Vec<Frame<'_>> = frames(&bytes).map(Result::unwrap).collect();
            prop_assert_eq!(found.len(), rows.len());
            for (frame, row) in found.iter().zip(&rows) {
                let n = row.n.to_string();
                prop_assert_eq!(frame.key, Some(row.id.as_bytes()));
                prop_assert_eq!(&frame.headers, &[("n", n.as_bytes()), ("id", row.id.as_bytes())]);
                let value: Option<Row> = frame.value.map(|value| serde_json::from_slice(value).unwrap());
                prop_assert_eq!(value.as_ref(), (row.n >= 0).then_some(row));
            }
        }

        #[test]
        fn any_bytes_are_rows_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let found: Result<Vec<Frame<'_>>> = frames(&bytes).collect();
            drop(found);
        }
    }

    #[test]
    fn without_a_layout_a_row_is_its_value_alone() {
        let mut bytes = Vec::new();
        let (layout, value) = (Layout::default(), Box::new(Json));
        FrameEncoder { layout, value }.encode(&7, &mut bytes).unwrap();
        let frame = frames(&bytes).next().unwrap().unwrap();
        assert_eq!(frame, Frame { key: None, headers: vec![], value: Some(b"7") });
        assert!(frames(&bytes[..bytes.len() - 1]).next().unwrap().is_err());
        let long = Row { id: "x".repeat(70_000), n: 1 };
        assert!(encoder().encode(&long, &mut bytes).is_err());
    }
}
