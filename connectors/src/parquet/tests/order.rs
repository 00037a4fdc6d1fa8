//! Whatever order files and row groups hold rows in, they come out in event-time order, each once,
//! and again so from any position.

use super::{Ping, pings, read, source_of, write};
use crate::parquet::{Columns, ParquetSource};
use crate::source::{Pull, Pulled};
use proptest::prelude::*;
use std::path::Path;
use waystream_engine::source::Position;

/// Files of row groups of times.
type Archive = Vec<Vec<Vec<i64>>>;

fn archives() -> impl Strategy<Value = Archive> {
    let times = prop_oneof![
        prop::collection::vec(-20i64..20, 0..30),
        prop::collection::vec(0i64..1000, 0..60).prop_map(|mut times| {
            times.sort_unstable();
            times
        }),
    ];
    prop::collection::vec(prop::collection::vec(times, 1..5), 1..5)
}

fn write_all(dir: &Path, archive: &Archive) {
    for (file, groups) in archive.iter().enumerate() {
        let groups: Vec<_> = groups.iter().map(|times| pings(times)).collect();
        write(&dir.join(format!("{file}.parquet")), &groups);
    }
}

/// Time, file and row of every row, sorted.
fn expected(archive: &Archive) -> Vec<(i64, u64)> {
    let mut keys = Vec::new();
    for (file, groups) in archive.iter().enumerate() {
        for (row, time) in groups.iter().flatten().enumerate() {
            keys.push((*time, ((file as u64) << 32) | row as u64));
        }
    }
    keys.sort_unstable();
    keys
}

/// Time and origin of every record, and the position after each.
fn all(source: &mut ParquetSource<Ping>, from: Option<&Position>) -> Vec<((i64, u64), Position)> {
    let mut rows = source.rows(from).unwrap();
    let mut found = Vec::new();
    loop {
        match rows.pull().unwrap() {
            Pulled::Record(origin, ping) => {
                found.push(((ping.ts, origin), rows.position().unwrap()));
            }
            Pulled::Reject(reject) => panic!("{reject:?}"),
            Pulled::End => return found,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]
    #[test]
    fn merged_and_resumed(archive in archives(), memory in prop_oneof![Just(0), Just(1), Just(4096), Just(1 << 20)]) {
        let dir = tempfile::tempdir().unwrap();
        write_all(dir.path(), &archive);
        let open = || {
            let columns = Columns::new("ts", None, None).unwrap();
            ParquetSource::<Ping>::new(&dir.path().display().to_string(), columns, memory)
        };
        let found = all(&mut open(), None);
        let keys: Vec<_> = found.iter().map(|(key, _)| *key).collect();
        prop_assert_eq!(&keys, &expected(&archive));
        for at in (0..found.len()).step_by(1 + found.len() / 12) {
            let rest: Vec<_> =
                all(&mut open(), Some(&found[at].1)).into_iter().map(|(key, _)| key).collect();
            prop_assert_eq!(&rest[..], &keys[at + 1..]);
        }
    }
}

#[test]
fn many_runs_on_disk_are_merged_again() {
    let dir = tempfile::tempdir().unwrap();
    let group = |seed: i64| (0..40).map(|row| (seed * 7919 + row * 104_729) % 1000).collect();
    let archive = vec![(0..200).map(group).collect::<Vec<Vec<i64>>>()];
    write_all(dir.path(), &archive);
    let columns = Columns::new("ts", None, None).unwrap();
    let mut source = ParquetSource::<Ping>::new(&dir.path().display().to_string(), columns, 4096);
    let mut rows = source.rows(None).unwrap();
    let mut keys = Vec::new();
    while let Pulled::Record(origin, ping) = rows.pull().unwrap() {
        keys.push((ping.ts, origin));
    }
    assert!(rows.merge.spills > 100, "{} spills", rows.merge.spills);
    assert_eq!(keys, expected(&archive));
}

#[test]
fn rows_without_a_time_come_where_their_row_group_begins() {
    let dir = tempfile::tempdir().unwrap();
    let mut columns = pings(&[5, 0, 7]);
    columns[1].1 = super::times(vec![Some(5), None, Some(7)]);
    write(&dir.path().join("a.parquet"), &[pings(&[1, 6]), columns]);
    let lines = read(&mut source_of::<Ping>(&dir, None, None), None).unwrap();
    let places: Vec<&str> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(places, ["0:0", "0:2", "0:3", "0:1", "0:4"]);
    assert!(lines[2].contains("missing: "), "{}", lines[2]);
}

#[test]
fn other_files_are_refused_on_resume() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("a.parquet"), &[pings(&[1, 2])]);
    let position = all(&mut source_of(&dir, None, None), None)[0].1.clone();
    let refused = || {
        let error = read(&mut source_of::<Ping>(&dir, None, None), Some(&position)).unwrap_err();
        assert!(error.to_string().contains("are not those the job was reading"), "{error}");
        assert!(error.hint.is_some_and(|hint| hint.contains("--fresh")));
    };
    let more = dir.path().join("b.parquet");
    write(&more, &[pings(&[1, 2])]);
    refused();
    std::fs::remove_file(more).unwrap();
    assert_eq!(read(&mut source_of::<Ping>(&dir, None, None), Some(&position)).unwrap().len(), 1);
    let path = dir.path().join("a.parquet");
    let length = path.metadata().unwrap().len();
    write(&path, &[pings(&[1, 3])]);
    assert_eq!(path.metadata().unwrap().len(), length);
    refused();
}
