//! Positions as bytes: where reading goes on, in the form of each source, and in which files.

use serde::Serialize;
use serde::de::DeserializeOwned;
use waystream_engine::error::{JobError, Result};
use waystream_engine::source::Position;

/// The position that goes on at this mark.
pub(crate) fn encode_mark(mark: &impl Serialize) -> Result<Position> {
    let bad = |error| {
        JobError::failed("a source position does not encode")
            .hint("this is a bug: please report it")
            .caused_by(error)
    };
    Ok(Position(postcard::to_allocvec(mark).map_err(bad)?))
}

/// The mark of a position that the source with these files told.
pub(crate) fn decode_mark<M: DeserializeOwned>(position: &Position, files: &str) -> Result<M> {
    let bad = |error| {
        JobError::checkpoint(format!("the position in {files} does not decode"))
            .hint(
                "run the version of the job that wrote the checkpoint, or start over with --fresh",
            )
            .caused_by(error)
    };
    postcard::from_bytes(&position.0).map_err(bad)
}

/// FNV-1a: the same in every build, so that marks can hold it.
pub(crate) fn fnv(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_mark_is_refused_with_a_way_out() {
        assert_eq!(decode_mark::<u64>(&encode_mark(&7u64).unwrap(), "a.csv").unwrap(), 7);
        let error = decode_mark::<u64>(&Position(vec![0xff]), "a.csv").unwrap_err();
        assert!(error.to_string().starts_with("the position in a.csv does not decode"), "{error}");
        assert!(error.hint.is_some());
    }
}
