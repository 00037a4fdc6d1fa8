//! The marker: a record beside the rows, in the same transaction, that says up to which epoch the
//! topic is complete. It lives in a compacted topic of its own, so it does not expire.

use super::address::Address;
use super::client::{ANSWER_WITHIN, Consumer, Context, consumer_config, made};
use super::mark::Ends;
use super::trouble::Trouble;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::time::Duration;
use waystream_engine::clock::{Clock, SystemClock};
use waystream_engine::error::{JobError, Result};
use waystream_engine::time::{Epoch, millis, ms};

/// Records read back at first in search of the newest marker; one is followed by the record that
/// commits its transaction.
const FIRST_LOOK: i64 = 16;

/// What the marker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    /// The history that the epoch is counted in.
    pub(super) history: String,
    /// All rows up to this epoch are in the topic.
    pub(super) epoch: Epoch,
    /// The run that wrote it.
    pub(super) generation: u64,
    /// The topic of the rows; the record's key, too, so that a sink may be pointed at one topic after
    /// the other.
    pub(super) topic: String,
}

impl Marker {
    pub(super) fn encode(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| JobError::failed("cannot write a marker").caused_by(error))
    }
}

/// Reads the newest marker of a topic of rows. The transactional id has been taken over, so none of ours is on its way.
pub(super) fn newest_marker(address: &Address, of: &str) -> Result<Option<Marker>> {
    let context = Context::default();
    let trouble = Trouble { address, context: &context };
    let what = "cannot read the marker";
    let mut config = consumer_config(address, "waystream");
    config.set("enable.partition.eof", "true");
    let committed: Consumer = made(config.create_with_context(context.clone()))?;
    config.set("isolation.level", "read_uncommitted");
    let all: Consumer = made(config.create_with_context(context.clone()))?;
    wait_until_settled(address, &committed, &all, &trouble)?;
    let ends = committed.fetch_watermarks(&address.topic, 0, ANSWER_WITHIN);
    let ends = trouble.told(what, ends)?;
    let ends = Ends { low: ends.0, high: ends.1 };
    let mut look = FIRST_LOOK;
    loop {
        let start = ends.low.max(ends.high - look);
        if let Some(marker) =
            trouble.told(what, last_in(&committed, &address.topic, of, start..ends.high))?
        {
            return decode(&marker, address).map(Some);
        }
        if start == ends.low {
            return Ok(None);
        }
        look *= 4;
    }
}

/// Waits until no transaction of somebody else is open in front of the newest marker.
fn wait_until_settled(
    address: &Address,
    committed: &Consumer,
    all: &Consumer,
    trouble: &Trouble<'_>,
) -> Result<()> {
    let begun_ms = SystemClock.ticks_ms();
    loop {
        let ends = |consumer: &Consumer| {
            let ends = consumer.fetch_watermarks(&address.topic, 0, ANSWER_WITHIN);
            trouble.told("cannot read the marker", ends)
        };
        if ends(committed)?.1 >= ends(all)?.1 {
            return Ok(());
        }
        if SystemClock.ticks_ms() - begun_ms > millis(ANSWER_WITHIN) {
            let what = format!("a transaction stays open in topic `{}`", address.topic);
            return Err(JobError::unavailable(what).hint(
                "nothing but this sink may write there: end the other producer, and run again",
            ));
        }
        std::thread::park_timeout(ms(50));
    }
}

/// The value of the last record under this key between two offsets.
fn last_in(
    consumer: &Consumer,
    topic: &str,
    key: &str,
    offsets: Range<i64>,
) -> Result<Option<Vec<u8>>, KafkaError> {
    let Range { start, end } = offsets;
    if start >= end {
        return Ok(None);
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(start))?;
    consumer.assign(&list)?;
    let mut last = None;
    let mut idle = Duration::ZERO;
    while idle < ANSWER_WITHIN {
        let step = ms(100);
        match consumer.poll(step) {
            None => idle += step,
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(last),
            Some(Err(error)) => return Err(error),
            Some(Ok(message)) => {
                if message.key() == Some(key.as_bytes()) {
                    last = message.payload().map(<[u8]>::to_vec);
                }
                if message.offset() + 1 >= end {
                    return Ok(last);
                }
            }
        }
    }
    Err(KafkaError::MessageConsumption(rdkafka::error::RDKafkaErrorCode::OperationTimedOut))
}

fn decode(bytes: &[u8], address: &Address) -> Result<Marker> {
    serde_json::from_slice(bytes).map_err(|error| {
        let what = format!("the newest record of topic `{}` is no marker", address.topic);
        JobError::configuration(what)
            .hint("nothing but this sink may write there: name another topic with markers=TOPIC")
            .caused_by(error)
    })
}
