//! What stands in front of a value.

use crate::format::Rejection;
use waystream_engine::source::Reason;

/// Bytes of magic and number.
const HEADER_BYTES: usize = 5;
/// Steps into nested messages that an index may have.
const MAX_INDEXES: i64 = 64;

/// The number of the schema, and what follows.
pub(super) fn split(payload: &[u8]) -> Result<(u32, &[u8]), Rejection> {
    match payload.split_first_chunk::<HEADER_BYTES>() {
        Some(([0, a, b, c, d], rest)) => Ok((u32::from_be_bytes([*a, *b, *c, *d]), rest)),
        _ => Err(malformed("it does not begin with the number of a schema")),
    }
}

/// The same for writing.
pub(super) fn header(id: u32) -> Vec<u8> {
    let mut header = vec![0];
    header.extend_from_slice(&id.to_be_bytes());
    header
}

/// Which message of a Protobuf schema it is: the index of a message, then of one nested in it, and so
/// on. The first message, by far the most frequent, is a single zero.
pub(super) fn message_index(bytes: &[u8]) -> Result<(Vec<usize>, &[u8]), Rejection> {
    let bad = || malformed("it does not say which message of its schema it is");
    let (count, mut rest) = varint(bytes).ok_or_else(bad)?;
    if count == 0 {
        return Ok((vec![0], rest));
    }
    if !(0..=MAX_INDEXES).contains(&count) {
        return Err(bad());
    }
    let mut indexes = Vec::new();
    for _ in 0..count {
        let (index, after) = varint(rest).ok_or_else(bad)?;
        indexes.push(usize::try_from(index).map_err(|_| bad())?);
        rest = after;
    }
    Ok((indexes, rest))
}

/// The same for writing.
pub(super) fn write_message_index(indexes: &[usize], into: &mut Vec<u8>) {
    if indexes == [0] {
        into.push(0);
        return;
    }
    write_varint(indexes.len() as i64, into);
    indexes.iter().for_each(|index| write_varint(*index as i64, into));
}

pub(super) fn malformed(why: impl Into<String>) -> Rejection {
    Rejection::new(Reason::Malformed, why)
}

/// A zigzag varint.
fn varint(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f).checked_shl(7 * at as u32)?;
        if byte & 0x80 == 0 {
            let decoded = (value >> 1) as i64 ^ -((value & 1) as i64);
            return Some((decoded, &bytes[at + 1..]));
        }
    }
    None
}

fn write_varint(value: i64, into: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        into.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    into.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(
            id in any::<u32>(),
            indexes in prop::collection::vec(0_usize..1000, 1..5),
            rest in prop::collection::vec(any::<u8>(), 0..5),
        ) {
            let mut bytes = header(id);
            write_message_index(&indexes, &mut bytes);
            bytes.extend_from_slice(&rest);
            let (found, after) = split(&bytes).unwrap();
            prop_assert_eq!(found, id);
            prop_assert_eq!(message_index(after).unwrap(), (indexes, &rest[..]));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Ok((_, rest)) = split(&bytes) {
                drop(message_index(rest));
            }
        }
    }

    #[test]
    fn the_form_is_that_of_the_registry() {
        assert_eq!(header(258), [0, 0, 0, 1, 2]);
        let mut bytes = Vec::new();
        write_message_index(&[1, 0], &mut bytes);
        assert_eq!(bytes, [4, 2, 0]);
        assert!(split(b"{\"n\":1}").is_err());
        assert!(message_index(&[0x80]).is_err());
        assert!(message_index(&[1]).is_err());
    }
}
