//! The table against a naive fold: whatever readers do and however late, they end in its state.

use super::bell::Bell;
use super::table::{Changes, KeyedRow, MessageSize, Table};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// So small that some rows are too long for it.
const SMALL: MessageSize = MessageSize { rows: 3, bytes: 10 };

#[derive(Clone, Debug)]
enum Step {
    Upsert(u8),
    Remove(u8),
    Join,
    Leave(usize),
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..20u8).prop_map(Step::Upsert),
        3 => (0..20u8).prop_map(Step::Remove),
        1 => Just(Step::Join),
        1 => any::<usize>().prop_map(Step::Leave),
        4 => any::<usize>().prop_map(Step::Read),
    ]
}

#[derive(Debug)]
struct Client {
    reader: u64,
    rows: BTreeMap<Arc<str>, Arc<str>>,
}

fn fold(rows: Vec<KeyedRow>) -> BTreeMap<Arc<str>, Arc<str>> {
    rows.into_iter().collect()
}

impl Client {
    fn join(table: &mut Table) -> Self {
        Self { reader: table.register(Arc::new(Bell::default())), rows: BTreeMap::new() }
    }

    /// Takes one frame; whether it was the last for now.
    fn read(&mut self, table: &mut Table) -> bool {
        let changes = match table.changes(self.reader, SMALL) {
            Changes::TooLong(bytes) => table.changes(self.reader, MessageSize { bytes, ..SMALL }),
            changes => changes,
        };
        match changes {
            Changes::TooLong(bytes) => panic!("a row of {bytes} bytes found no room"),
            Changes::Lost => false,
            Changes::Rows(chunk) => {
                if chunk.first {
                    self.rows.clear();
                }
                self.rows.extend(chunk.rows);
                chunk.last
            }
            Changes::Delta(delta) => {
                self.rows.extend(delta.upsert);
                for key in &delta.remove {
                    self.rows.remove(key);
                }
                delta.last
            }
        }
    }
}

proptest! {
    #[test]
    fn every_reader_ends_in_the_state_of_the_table(
        steps in proptest::collection::vec(step(), 1..400),
    ) {
        let mut table = Table::default();
        let mut naive = BTreeMap::new();
        let mut clients: Vec<Client> = Vec::new();
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Upsert(key) => {
                    let (key, row) = (key.to_string(), at.to_string());
                    table.upsert(&key, row.clone().into());
                    naive.insert(Arc::from(key), Arc::from(row));
                }
                Step::Remove(key) => {
                    table.remove(&key.to_string());
                    naive.remove(key.to_string().as_str());
                }
                Step::Join => clients.push(Client::join(&mut table)),
                Step::Leave(which) if !clients.is_empty() => {
                    let client = clients.swap_remove(which % clients.len());
                    table.unregister(client.reader);
                }
                Step::Read(which) if !clients.is_empty() => {
                    let which = which % clients.len();
                    if clients[which].read(&mut table) {
                        prop_assert_eq!(&clients[which].rows, &naive);
                    }
                }
                Step::Leave(_) | Step::Read(_) => {}
            }
            prop_assert_eq!(table.len(), naive.len());
        }
        for client in &mut clients {
            while !client.read(&mut table) {}
            prop_assert_eq!(&client.rows, &naive);
        }
        prop_assert_eq!(fold(table.all()), naive);
    }
}

#[test]
fn a_reader_that_never_reads_costs_a_bounded_log_and_starts_over_when_removals_are_forgotten() {
    let mut table = Table::default();
    let mut client = Client::join(&mut table);
    for round in 0..200_000_u32 {
        table.upsert("same", round.to_string().into());
        table.upsert(&round.to_string(), "1".into());
        client.rows.is_empty().then(|| table.remove(&round.to_string()));
    }
    let (log, births) = table.lengths();
    assert!(log < 8_000 && births < 8_000, "{log} changes and {births} births are held");
    assert!(matches!(table.changes(client.reader, SMALL), Changes::Lost));
    while !client.read(&mut table) {}
    assert_eq!(client.rows, fold(table.all()));
    assert_eq!(table.len(), 1);
}
