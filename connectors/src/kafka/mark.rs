//! What a checkpoint keeps of a partition: where to go on, of which topic, and where it ends.

use crate::source::{decode_mark, encode_mark};
use serde::{Deserialize, Serialize};
use waystream_engine::error::{JobError, Result};
use waystream_engine::source::Position;

/// A position in a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The id of the topic; empty if the brokers know no ids.
    pub(super) topic_id: String,
    /// The next offset to be read.
    pub(super) offset: i64,
    /// The epoch of the leader that wrote the record before it; -1 if it is not known.
    pub(super) leader_epoch: i32,
    /// The offset at which a bounded read ends.
    pub(super) end: Option<i64>,
}

impl Mark {
    pub(super) fn encode(&self) -> Result<Position> {
        encode_mark(self)
    }

    pub(super) fn decode(position: &Position, partition: &str) -> Result<Self> {
        decode_mark(position, partition)
    }

    /// Checks that the partition still holds what follows this position.
    ///
    /// # Errors
    /// If the topic was made anew, or records behind the position are gone.
    pub(super) fn check(&self, topic_id: &str, ends: Ends, partition: &str) -> Result<()> {
        let Self { offset, .. } = self;
        if self.topic_id != topic_id {
            let what = format!(
                "topic of `{partition}` is not the one that was read up to offset {offset}: it was \
                 deleted and made anew, or is another cluster's"
            );
            return Err(JobError::configuration(what)
                .hint("read the cluster that the job began with, or start anew with --fresh"));
        }
        let Ends { low, high } = ends;
        if *offset < low {
            let what = format!(
                "records of `{partition}` are lost: offsets {offset} to {} were removed before they \
                 were read",
                low - 1
            );
            return Err(JobError::unavailable(what).hint(
                "go on with what is left by ?lost=earliest in the URL, or start anew with --fresh; \
                 a longer retention of the topic prevents it",
            ));
        }
        if *offset > high {
            let what = format!(
                "records of `{partition}` are lost: the job had read up to offset {offset}, and now \
                 the partition ends at {high}"
            );
            return Err(JobError::unavailable(what).hint(
                "its log was cut off, perhaps by an unclean election: what was read from there cannot \
                 be taken back; start anew with --fresh, or from an older savepoint",
            ));
        }
        Ok(())
    }
}

/// The first offset of a partition and the one behind its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) low: i64,
    pub(super) high: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_position_that_does_not_fit_is_refused() {
        let mark = Mark { topic_id: "a".to_owned(), offset: 5, leader_epoch: -1, end: None };
        let check = |id: &str, low, high| mark.check(id, Ends { low, high }, "t/0");
        check("a", 5, 5).unwrap();
        check("a", 0, 9).unwrap();
        let said = [check("b", 0, 9), check("a", 6, 9), check("a", 0, 4)]
            .map(|checked| checked.unwrap_err().to_string());
        expect![[r#"
            topic of `t/0` is not the one that was read up to offset 5: it was deleted and made anew, or is another cluster's
            records of `t/0` are lost: offsets 5 to 5 were removed before they were read
            records of `t/0` are lost: the job had read up to offset 5, and now the partition ends at 4"#]]
        .assert_eq(&said.join("\n"));
    }
}
