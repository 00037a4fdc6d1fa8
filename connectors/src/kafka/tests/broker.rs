//! A topic of a test at the broker that WAYSTREAM_KAFKA names.

use crate::kafka::client::ANSWER_WITHIN;
use crate::url::Url;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Headers as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use waystream_engine::spec::{History, OpenContext};
use waystream_engine::time::{ms, secs};

/// The address of the broker.
pub(super) fn brokers() -> String {
    std::env::var("WAYSTREAM_KAFKA").expect(
        "these tests need a broker: run them by `dev/kafka run -- cargo test --features kafka`",
    )
}

pub(super) fn config() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers()).set("allow.auto.create.topics", "false");
    config
}

/// A name that no other test has.
pub(super) fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed))
}

pub(super) fn context(name: &str) -> OpenContext {
    let deployment = waystream_engine::spec::Deployment::default();
    let history = History { job: unique("job"), ..History::default() };
    OpenContext { name: name.to_owned(), url: None, disk: deployment.disk, history }
}

/// A record as a reader of what is committed sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) partition: i32,
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
    pub(super) headers: Vec<(String, String)>,
}

/// A topic of its own.
pub(super) struct TestTopic {
    pub(super) name: String,
    admin: AdminClient<DefaultClientContext>,
}

impl TestTopic {
    pub(super) fn new(partitions: i32, settings: &[(&str, &str)]) -> Self {
        let topic = Self { name: unique("topic"), admin: config().create().unwrap() };
        topic.create(partitions, settings);
        topic
    }

    pub(super) fn create(&self, partitions: i32, settings: &[(&str, &str)]) {
        let new = NewTopic::new(&self.name, partitions, TopicReplication::Fixed(1));
        let new = settings.iter().fold(new, |new, (key, value)| new.set(key, value));
        let made = wait(self.admin.create_topics([&new], &AdminOptions::new())).unwrap();
        made.into_iter().next().unwrap().unwrap();
        self.wait_until(|partitions| partitions > 0);
    }

    pub(super) fn delete(&self) {
        wait(self.admin.delete_topics(&[&self.name], &AdminOptions::new())).unwrap();
        self.wait_until(|partitions| partitions == 0);
    }

    pub(super) fn grow_to(&self, partitions: usize) {
        let new = NewPartitions::new(&self.name, partitions);
        wait(self.admin.create_partitions([&new], &AdminOptions::new())).unwrap();
        self.wait_until(|there| there == partitions);
    }

    pub(super) fn delete_records_before(&self, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, partition, Offset::Offset(offset)).unwrap();
        wait(self.admin.delete_records(&list, &AdminOptions::new())).unwrap();
    }

    fn wait_until(&self, holds: impl Fn(usize) -> bool) {
        for _ in 0..100 {
            let told = self.admin.inner().fetch_metadata(Some(&self.name), ANSWER_WITHIN).unwrap();
            if holds(told.topics()[0].partitions().len()) {
                return;
            }
            std::thread::park_timeout(ms(50));
        }
        panic!("topic {} did not come to be as it should", self.name);
    }

    pub(super) fn url(&self, query: &str) -> Url {
        Url::parse(&format!("kafka://{}/{}{query}", brokers(), self.name)).unwrap()
    }

    /// Sends numbered rows `{"n":N}` to a partition, each at its time.
    pub(super) fn send(&self, partition: i32, numbers: impl IntoIterator<Item = i64>) {
        let producer: BaseProducer = config().create().unwrap();
        for n in numbers {
            self.send_by(&producer, partition, &format!("{{\"n\":{n}}}"), n);
        }
        producer.flush(secs(20)).unwrap();
    }

    /// Sends rows in a transaction and ends it as said; `None` leaves it open, and gives it back.
    pub(super) fn transact(
        &self,
        partition: i32,
        numbers: impl IntoIterator<Item = i64>,
        commit: Option<bool>,
    ) -> BaseProducer {
        let mut config = config();
        let producer: BaseProducer =
            config.set("transactional.id", unique("transaction")).create().unwrap();
        producer.init_transactions(secs(20)).unwrap();
        producer.begin_transaction().unwrap();
        for n in numbers {
            self.send_by(&producer, partition, &format!("{{\"n\":{n}}}"), n);
        }
        producer.flush(secs(20)).unwrap();
        match commit {
            Some(true) => producer.commit_transaction(secs(20)).unwrap(),
            Some(false) => producer.abort_transaction(secs(20)).unwrap(),
            None => {}
        }
        producer
    }

    pub(super) fn send_by(&self, producer: &BaseProducer, partition: i32, value: &str, at_ms: i64) {
        let record = BaseRecord::<str, str>::to(&self.name).partition(partition);
        producer.send(record.payload(value).timestamp(at_ms)).map_err(|(error, _)| error).unwrap();
    }

    /// What is committed, partition by partition.
    pub(super) fn committed(&self) -> Vec<Seen> {
        let mut config = config();
        config.set("group.id", "reader").set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create().unwrap();
        let told = consumer.fetch_metadata(Some(&self.name), ANSWER_WITHIN).unwrap();
        let count = told.topics()[0].partitions().len() as i32;
        let mut list = TopicPartitionList::new();
        for partition in 0..count {
            list.add_partition_offset(&self.name, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let mut seen: BTreeMap<i32, Vec<Seen>> = BTreeMap::new();
        let mut ended = 0;
        while ended < count {
            match consumer.poll(secs(20)).expect("an answer in time") {
                Err(rdkafka::error::KafkaError::PartitionEOF(_)) => ended += 1,
                Err(error) => panic!("{error}"),
                Ok(message) => {
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    let headers = message.headers().map_or_else(Vec::new, |headers| {
                        let pair = |h: rdkafka::message::Header<'_, &[u8]>| {
                            (h.key.to_owned(), text(h.value.unwrap_or_default()))
                        };
                        headers.iter().map(pair).collect()
                    });
                    let partition = message.partition();
                    seen.entry(partition).or_default().push(Seen {
                        partition,
                        key: message.key().map(text),
                        value: message.payload().map(text),
                        headers,
                    });
                }
            }
        }
        seen.into_values().flatten().collect()
    }
}

fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
