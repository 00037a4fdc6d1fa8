//! What a source reads of a topic, where it goes on, and what it refuses to go on with.

use super::broker::{TestTopic, config, context};
use crate::kafka::source::{KafkaSource, Rules};
use rdkafka::producer::{BaseProducer, Producer as _};
use serde::{Deserialize, Serialize};
use waystream_engine::error::{ErrorKind, JobError, Result};
use waystream_engine::source::{
    Partition, Position, ReadBatch, ReadStatus, Reader, Reason, Source,
};
use waystream_engine::time::{Timestamp, ms, secs};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    n: i64,
}

fn source(topic: &TestTopic, query: &str) -> KafkaSource<Row> {
    let rules = Rules {
        check: None,
        time_of: Some(|row: &Row| Timestamp(row.n)),
        max_future: Some(secs(60)),
    };
    KafkaSource::new(&topic.url(query), rules, &context("rows")).unwrap()
}

/// A source that goes on from a checkpoint.
fn resumed(topic: &TestTopic, query: &str) -> KafkaSource<Row> {
    let mut source = source(topic, query);
    source.begin(true);
    source
}

/// What was read of a partition.
#[derive(Default)]
struct Reading {
    numbers: Vec<i64>,
    offsets: Vec<u64>,
    rejected: Vec<(u64, Reason)>,
    next: Option<Position>,
    has_ended: bool,
}

fn partition(index: u16, topic: &TestTopic) -> Partition {
    Partition { index, name: format!("{}/{index}", topic.name) }
}

/// Reads until the partition ends, or is silent for a second.
fn read_on(reader: &mut dyn Reader<Record = Row>) -> Result<Reading> {
    let (mut reading, mut quiet) = (Reading::default(), 0);
    while quiet < 20 && !reading.has_ended {
        let mut batch = ReadBatch::default();
        let status = reader.read(&mut batch)?;
        reading.numbers.extend(batch.records.iter().map(|(_, row)| row.n));
        reading.offsets.extend(batch.records.iter().map(|(offset, _)| *offset));
        reading.rejected.extend(batch.rejects.iter().map(|r| (r.position, r.reason)));
        if !batch.next.0.is_empty() {
            reading.next = Some(batch.next);
        }
        reading.has_ended = status == ReadStatus::End;
        quiet = if batch.records.is_empty() { quiet + 1 } else { 0 };
        if matches!(status, ReadStatus::Wait(_)) {
            std::thread::park_timeout(ms(50));
        }
    }
    Ok(reading)
}

fn read(
    source: &mut KafkaSource<Row>,
    partition: &Partition,
    from: Option<&Position>,
) -> Result<Reading> {
    source.partitions()?;
    read_on(&mut *source.open(partition, from)?)
}

#[test]
fn a_bounded_read_ends_behind_what_was_committed_at_its_start() {
    let topic = TestTopic::new(3, &[]);
    topic.send(0, 0..5);
    topic.transact(0, 5..8, Some(false));
    topic.transact(0, 8..10, Some(true));
    drop(topic.transact(1, 0..3, None));
    let mut source = source(&topic, "?until=end");
    let all = source.partitions().unwrap();
    assert_eq!(
        all.iter().map(|p| p.name.clone()).collect::<Vec<_>>(),
        [format!("{}/0", topic.name), format!("{}/1", topic.name), format!("{}/2", topic.name)]
    );
    let mut reader = source.open(&all[0], None).unwrap();
    topic.send(0, 10..20);
    let first = read_on(&mut *reader).unwrap();
    assert_eq!(first.numbers, [0, 1, 2, 3, 4, 8, 9]);
    assert!(first.has_ended);
    for other in &all[1..] {
        let reading = read(&mut source, other, None).unwrap();
        assert_eq!((reading.numbers.len(), reading.has_ended), (0, true));
    }
    // The end is kept with the position: another start does not read on.
    let mut again = resumed(&topic, "?until=end");
    let reading = read(&mut again, &all[0], first.next.as_ref()).unwrap();
    assert_eq!((reading.numbers.len(), reading.has_ended), (0, true));
}

#[test]
fn an_unbounded_read_goes_on_where_it_was_without_a_record_lost_or_read_twice() {
    let topic = TestTopic::new(1, &[]);
    topic.send(0, 0..1500);
    let at = partition(0, &topic);
    let mut first = source(&topic, "");
    first.partitions().unwrap();
    let mut reader = first.open(&at, None).unwrap();
    let mut batch = ReadBatch::default();
    while batch.records.is_empty() {
        reader.read(&mut batch).unwrap();
    }
    let read_before = batch.records.len() as i64;
    topic.transact(0, 1500..1600, Some(true));
    let mut second = resumed(&topic, "");
    second.partitions().unwrap();
    let mut reader = second.open(&at, Some(&batch.next)).unwrap();
    let reading = read_on(&mut *reader).unwrap();
    assert!(reading.numbers.into_iter().eq(read_before..1600));
    assert!(!reading.has_ended);
    // Behind the record that commits the transaction there is nothing more to be read.
    let mut third = resumed(&topic, "");
    third.partitions().unwrap();
    let mut reader = third.open(&at, reading.next.as_ref()).unwrap();
    topic.send(0, 1600..1601);
    let reading = read_on(&mut *reader).unwrap();
    assert_eq!((reading.numbers, reading.offsets), (vec![1600], vec![1601]));
}

#[test]
fn reading_begins_where_it_is_told() {
    let topic = TestTopic::new(2, &[]);
    topic.send(0, (0..10).map(|n| n * 1000 + 1));
    topic.send(1, (0..10).map(|n| n * 1000 + 1));
    let numbers = |query: &str, index: u16| {
        read(&mut source(&topic, query), &partition(index, &topic), None).unwrap().numbers
    };
    assert_eq!(numbers("", 0).len(), 10);
    assert_eq!(numbers("?from=latest", 0), [0; 0]);
    assert_eq!(numbers("?from=7500", 0), [8001, 9001]);
    assert_eq!(numbers("?from=1970-01-01T00:00:08Z&until=9000", 1), [8001]);
    assert_eq!(numbers("?from=0:8", 0), [8001, 9001]);
    assert_eq!(numbers("?from=0:8", 1).len(), 10);
    let error = read(&mut source(&topic, "?from=0:11"), &partition(0, &topic), None);
    let error = error.err().unwrap();
    let what = format!("`{}/0` has no offset 11: it holds 0 to 10", topic.name);
    assert_eq!((error.kind, error.what), (ErrorKind::Configuration, what));
    // What appeared after the job began is read from its beginning, wherever that began.
    let mut resumed = resumed(&topic, "?from=latest");
    assert_eq!(read(&mut resumed, &partition(1, &topic), None).unwrap().numbers.len(), 10);
}

#[test]
fn a_partition_that_appears_while_the_job_runs_is_read_from_its_beginning() {
    let topic = TestTopic::new(1, &[]);
    let mut source = source(&topic, "?from=latest");
    assert_eq!(source.partitions().unwrap().len(), 1);
    topic.grow_to(2);
    topic.send(1, 0..3);
    assert_eq!(source.partitions().unwrap().len(), 2);
    assert_eq!(read(&mut source, &partition(1, &topic), None).unwrap().numbers, [0, 1, 2]);
}

#[test]
fn what_cannot_be_taken_is_rejected_with_its_offset() {
    let topic = TestTopic::new(1, &[("cleanup.policy", "compact")]);
    let producer: BaseProducer = config().create().unwrap();
    for (value, at_ms) in [("{\"n\":1}", 1), ("{", 2), ("{\"n\":\"x\"}", 3), ("{\"n\":60005}", 5)] {
        let record = rdkafka::producer::BaseRecord::<str, str>::to(&topic.name).key("k");
        producer.send(record.payload(value).timestamp(at_ms)).map_err(|(e, _)| e).unwrap();
    }
    let tombstone = rdkafka::producer::BaseRecord::<str, str>::to(&topic.name).key("k");
    producer.send(tombstone).map_err(|(e, _)| e).unwrap();
    let record = rdkafka::producer::BaseRecord::<str, str>::to(&topic.name).key("k");
    producer.send(record.payload("{\"n\":60007}").timestamp(6)).map_err(|(e, _)| e).unwrap();
    producer.flush(secs(20)).unwrap();
    let mut source = source(&topic, "?until=end");
    let reading = read(&mut source, &partition(0, &topic), None).unwrap();
    assert_eq!(reading.numbers, [1, 60005]);
    let reasons =
        [(1, Reason::Malformed), (2, Reason::WrongType), (4, Reason::Missing), (5, Reason::Future)];
    assert_eq!(reading.rejected, reasons);
}

fn refused(read: Result<Reading>) -> JobError {
    match read {
        Ok(reading) => panic!("{} records were read", reading.numbers.len()),
        Err(error) => error,
    }
}

#[test]
fn lost_records_and_other_topics_of_the_name_are_never_read_over() {
    let topic = TestTopic::new(1, &[]);
    topic.send(0, 0..10);
    let at = partition(0, &topic);
    let mut first = source(&topic, "");
    first.partitions().unwrap();
    let mut reader = first.open(&at, None).unwrap();
    let five = read_on(&mut *reader).unwrap().next.unwrap();
    topic.send(0, 10..20);
    topic.delete_records_before(0, 15);
    let error = refused(read(&mut resumed(&topic, ""), &at, Some(&five)));
    assert!(error.what.contains("offsets 10 to 14 were removed"), "{error}");
    let reading = read(&mut resumed(&topic, "?lost=earliest"), &at, Some(&five)).unwrap();
    assert!(reading.numbers.into_iter().eq(15..20));
    topic.delete();
    topic.create(1, &[]);
    topic.send(0, 0..30);
    for query in ["", "?lost=earliest"] {
        let error = refused(read(&mut resumed(&topic, query), &at, Some(&five)));
        assert!(error.what.contains("deleted and made anew"), "{error}");
    }
    // Under a reader, too.
    let error = first.partitions().unwrap_err();
    assert!(error.what.contains("deleted and made anew"), "{error}");
}

#[test]
fn a_topic_or_broker_that_is_not_there_is_named() {
    let topic = TestTopic::new(1, &[]);
    topic.delete();
    let error = source(&topic, "").partitions().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Configuration);
    assert!(error.what.contains(&format!("has no topic `{}`", topic.name)), "{error}");
}
