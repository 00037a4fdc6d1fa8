//! What a sink leaves in a topic, whatever run came before, and what it refuses to add to.

use super::broker::{Seen, TestTopic, config, unique};
use crate::format::Json;
use crate::kafka::frame::FrameEncoder;
use crate::kafka::sink::KafkaSink;
use crate::sink::Layout;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use waystream_engine::checkpoint::Confirmed;
use waystream_engine::error::{ErrorKind, JobError};
use waystream_engine::job::StopSignal;
use waystream_engine::sink::{Committer, Encoder, Run, Sink, StagedBatch};
use waystream_engine::spec::{Deployment, History, OpenContext};
use waystream_engine::time::{Epoch, secs};

#[derive(Clone, Debug, Serialize)]
struct Row {
    id: String,
    n: i64,
}

fn row(id: &str, n: i64) -> Row {
    Row { id: id.to_owned(), n }
}

fn layout() -> Layout<Row> {
    Layout {
        key: Some(|row: &Row| row.id.as_str().into()),
        is_removal: Some(|row| row.n < 0),
        headers: vec![("sign", |row| if row.n < 0 { "-" } else { "+" }.into())],
    }
}

/// A sink of a job that is started again and again.
struct Subject {
    topic: TestTopic,
    job: String,
    is_current: Arc<AtomicBool>,
}

impl Subject {
    fn new(partitions: i32) -> Self {
        let topic = TestTopic::new(partitions, &[]);
        Self { topic, job: unique("job"), is_current: Arc::new(AtomicBool::new(true)) }
    }

    fn committer(&self, query: &str) -> Box<dyn Committer> {
        let Deployment { disk, .. } = Deployment::default();
        let history = History { job: self.job.clone(), ..History::default() };
        let context = OpenContext { name: "rows".to_owned(), url: None, disk, history };
        KafkaSink::new(&self.topic.url(query), layout(), &context).unwrap().committer().unwrap()
    }

    fn run(&self, lineage: &[&str], epoch: u64, generation: u64) -> Run {
        let is_current = Arc::clone(&self.is_current);
        Run {
            epoch: Epoch(epoch),
            lineage: lineage.iter().map(|history| (*history).to_owned()).collect(),
            generation,
            is_current: Arc::new(move || Ok(is_current.load(Relaxed))),
            stop: StopSignal::default(),
        }
    }

    /// A committer of a run that begins with a checkpoint of this epoch.
    fn start(
        &self,
        query: &str,
        run: &Run,
        confirmed: Option<&Confirmed>,
    ) -> Result<Box<dyn Committer>, JobError> {
        let mut committer = self.committer(query);
        committer.begin(run);
        committer.recover(confirmed)?;
        Ok(committer)
    }

    fn numbers(&self) -> Vec<String> {
        let mut numbers: Vec<i64> = self.topic.committed().iter().map(number).collect();
        numbers.sort_unstable();
        numbers.iter().map(i64::to_string).collect()
    }
}

fn number(seen: &Seen) -> i64 {
    let value: serde_json::Value = serde_json::from_str(seen.value.as_ref().unwrap()).unwrap();
    value["n"].as_i64().unwrap()
}

fn staged(epoch: u64, rows: &[Row]) -> Vec<StagedBatch> {
    let mut bytes = Vec::new();
    let mut encoder = FrameEncoder { layout: layout(), value: Box::new(Json) };
    rows.iter().for_each(|row| encoder.encode(row, &mut bytes).unwrap());
    vec![StagedBatch { epoch: Epoch(epoch), rows: rows.len() as u64, bytes }]
}

fn commit(committer: &mut dyn Committer, epoch: u64, rows: &[Row]) -> Confirmed {
    committer.commit(Epoch(epoch), staged(epoch, rows)).unwrap().unwrap()
}

#[test]
fn rows_go_where_the_java_client_puts_their_keys_in_order_and_removals_are_tombstones() {
    let subject = Subject::new(7);
    let mut committer = subject.start("", &subject.run(&["h"], 0, 1), None).unwrap();
    // By Kafka's own client: dev/kafka java tests/kafka/Partition.java 7
    let keys = [
        ("a", 5),
        ("b", 6),
        ("ship-1", 1),
        ("367000140", 4),
        ("äö", 5),
        ("", 2),
        ("courier 42", 6),
        ("0123456789", 1),
    ];
    let rows: Vec<Row> = keys.iter().map(|(key, _)| row(key, 1)).collect();
    commit(&mut *committer, 1, &rows);
    commit(&mut *committer, 2, &[row("a", 2), row("a", 3), row("a", -1), row("a", 4)]);
    let seen = subject.topic.committed();
    for (key, partition) in keys {
        let found = seen.iter().find(|seen| seen.key.as_deref() == Some(key)).unwrap();
        assert_eq!(found.partition, partition, "{key}");
    }
    let of_a: Vec<_> = seen.iter().filter(|seen| seen.key.as_deref() == Some("a")).collect();
    let values: Vec<_> = of_a.iter().map(|seen| seen.value.as_deref()).collect();
    let json = |n: i64| format!("{{\"id\":\"a\",\"n\":{n}}}");
    let expected = [Some(json(1)), Some(json(2)), Some(json(3)), None, Some(json(4))];
    assert_eq!(values, expected.each_ref().map(|value| value.as_deref()));
    assert_eq!(of_a[3].headers, [("sign".to_owned(), "-".to_owned())]);
}

#[test]
fn what_a_run_that_was_cut_off_had_committed_is_not_written_again() {
    let subject = Subject::new(2);
    let mut first = subject.start("", &subject.run(&["h"], 0, 1), None).unwrap();
    commit(&mut *first, 1, &[row("a", 1)]);
    commit(&mut *first, 3, &[row("a", 3)]);
    drop(first);
    // Its confirmations were lost; all that counts is owed once more.
    let mut second = subject.start("", &subject.run(&["h"], 4, 2), None).unwrap();
    let owed: Vec<_> =
        [1, 3, 4].into_iter().flat_map(|n| staged(n, &[row("a", n as i64)])).collect();
    let confirmed = second.commit(Epoch(4), owed).unwrap().unwrap();
    assert_eq!(confirmed.epoch, Epoch(4));
    assert_eq!(subject.numbers(), ["1", "3", "4"]);
    drop(second);
    let mut third = subject.start("", &subject.run(&["h"], 9, 3), Some(&confirmed)).unwrap();
    commit(&mut *third, 10, &[row("b", 10)]);
    assert_eq!(subject.numbers(), ["1", "3", "4", "10"]);
}

#[test]
fn a_transaction_that_was_left_open_is_aborted_and_paid_again() {
    let subject = Subject::new(1);
    drop(subject.start("", &subject.run(&["h"], 0, 1), None).unwrap());
    let mut cut_off = config();
    cut_off.set("transactional.id", format!("{}.rows.0", subject.job));
    let cut_off: BaseProducer = cut_off.create().unwrap();
    cut_off.init_transactions(secs(20)).unwrap();
    cut_off.begin_transaction().unwrap();
    let record = BaseRecord::<str, str>::to(&subject.topic.name).key("a");
    cut_off.send(record.payload("{\"id\":\"a\",\"n\":1}")).map_err(|(e, _)| e).unwrap();
    cut_off.flush(secs(20)).unwrap();
    let mut next = subject.start("", &subject.run(&["h"], 1, 2), None).unwrap();
    commit(&mut *next, 1, &[row("a", 1)]);
    commit(&mut *next, 2, &[row("a", 2)]);
    assert_eq!(subject.numbers(), ["1", "2"]);
    assert!(cut_off.commit_transaction(secs(20)).is_err());
    assert_eq!(subject.numbers(), ["1", "2"]);
}

#[test]
fn a_run_that_was_replaced_writes_nothing_more_and_says_by_whom() {
    let subject = Subject::new(1);
    let mut first = subject.start("", &subject.run(&["h"], 0, 1), None).unwrap();
    commit(&mut *first, 1, &[row("a", 1)]);
    let mut second = subject.start("", &subject.run(&["h"], 1, 2), None).unwrap();
    commit(&mut *second, 2, &[row("a", 2)]);
    subject.is_current.store(false, Relaxed);
    let error = first.commit(Epoch(2), staged(2, &[row("a", 2)])).unwrap_err();
    assert!(error.what.contains("another run of the job has taken over"), "{error}");
    // A job of the same name with checkpoints elsewhere is told apart.
    subject.is_current.store(true, Relaxed);
    let mut other =
        subject.start("?existing=append", &subject.run(&["other"], 0, 1), None).unwrap();
    commit(&mut *other, 1, &[row("a", 9)]);
    let error = second.commit(Epoch(3), staged(3, &[row("a", 3)])).unwrap_err();
    let id = format!("{}.rows.0", subject.job);
    assert!(error.what.contains(&format!("another producer uses the transactional id `{id}`")));
    assert_eq!(subject.numbers(), ["1", "2", "9"]);
}

#[test]
fn rows_of_epochs_that_do_not_count_any_more_are_not_written_over() {
    let subject = Subject::new(1);
    let mut first = subject.start("", &subject.run(&["h"], 0, 1), None).unwrap();
    let kept = commit(&mut *first, 5, &[row("a", 5)]);
    commit(&mut *first, 8, &[row("a", 8)]);
    drop(first);
    let refused = |lineage: &[&str], epoch, confirmed: Option<&Confirmed>| {
        let error = subject.start("", &subject.run(lineage, epoch, 2), confirmed).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Configuration);
        assert!(error.hint.unwrap().contains("existing=append"));
        error.what
    };
    let what = refused(&["h"], 6, Some(&kept));
    assert!(what.contains("rows up to epoch 8, the job goes on from epoch 6"), "{what}");
    let what = refused(&["new"], 0, None);
    assert!(what.contains("from another history, up to its epoch 8"), "{what}");
    let ahead = Confirmed { epoch: Epoch(9), ..kept.clone() };
    let what = refused(&["h"], 9, Some(&ahead));
    assert!(what.contains("says epoch 8, the checkpoint 9"), "{what}");
    let elsewhere = Confirmed { position: "elsewhere x".to_owned(), ..kept.clone() };
    let what = refused(&["h"], 9, Some(&elsewhere));
    assert!(what.contains("rows went to topic elsewhere x, here is"), "{what}");
    // Asked to, it adds to what is there: epochs that come again are written again.
    let run = subject.run(&["h"], 6, 2);
    let mut added = subject.start("?existing=append", &run, Some(&kept)).unwrap();
    commit(&mut *added, 7, &[row("a", 7)]);
    commit(&mut *added, 8, &[row("a", 8)]);
    assert_eq!(subject.numbers(), ["5", "7", "8", "8"]);
}

#[test]
fn a_run_that_ended_before_its_first_epoch_bars_nobody() {
    let subject = Subject::new(1);
    drop(subject.start("", &subject.run(&["h"], 0, 1), None).unwrap());
    let mut next = subject.start("", &subject.run(&["i"], 0, 2), None).unwrap();
    commit(&mut *next, 1, &[row("a", 1)]);
    assert_eq!(subject.numbers(), ["1"]);
}

#[test]
fn a_history_that_begins_with_a_savepoint_takes_the_topic_over() {
    let subject = Subject::new(1);
    let mut first = subject.start("", &subject.run(&["h"], 0, 1), None).unwrap();
    let kept = commit(&mut *first, 5, &[row("a", 5)]);
    drop(first);
    let mut second = subject.start("", &subject.run(&["h", "i"], 6, 2), Some(&kept)).unwrap();
    commit(&mut *second, 6, &[row("a", 6)]);
    drop(second);
    // The history it was saved from is another one now.
    let error = subject.start("", &subject.run(&["h"], 9, 3), Some(&kept)).err().unwrap();
    assert!(error.what.contains("another history"), "{error}");
    assert_eq!(subject.numbers(), ["5", "6"]);
}

#[test]
fn markers_that_may_expire_and_topics_made_anew_are_refused() {
    let subject = Subject::new(1);
    let markers = TestTopic::new(1, &[("cleanup.policy", "delete")]);
    let run = subject.run(&["h"], 0, 1);
    let query = format!("?markers={}", markers.name);
    let error = subject.start(&query, &run, None).err().unwrap();
    assert!(error.what.contains("its markers may expire"), "{error}");
    let mut first = subject.start("", &run, None).unwrap();
    let kept = commit(&mut *first, 1, &[row("a", 1)]);
    drop(first);
    subject.topic.delete();
    subject.topic.create(1, &[]);
    let error = subject.start("", &subject.run(&["h"], 1, 2), Some(&kept)).err().unwrap();
    assert!(error.what.contains("the checkpoint says that rows went to topic"), "{error}");
}

#[test]
fn a_missing_topic_is_made_with_as_many_partitions_as_stated() {
    let subject = Subject::new(1);
    subject.topic.delete();
    let run = subject.run(&["h"], 0, 1);
    let mut committer = subject.start("?partitions=3", &run, None).unwrap();
    commit(&mut *committer, 1, &[row("a", 1), row("b", 2), row("ship-1", 3)]);
    assert_eq!(subject.numbers(), ["1", "2", "3"]);
}

#[test]
fn at_least_once_writes_without_marker_and_may_write_again() {
    let subject = Subject::new(1);
    let query = "?delivery=at-least-once";
    let mut first = subject.start(query, &subject.run(&["h"], 0, 1), None).unwrap();
    commit(&mut *first, 1, &[row("a", 1)]);
    drop(first);
    let mut second = subject.start(query, &subject.run(&["h"], 1, 2), None).unwrap();
    commit(&mut *second, 1, &[row("a", 1)]);
    assert_eq!(subject.numbers(), ["1", "1"]);
}
