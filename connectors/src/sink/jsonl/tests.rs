//! The JSONL sink over real files, and its committer under crashes at every operation.

use super::*;
use crate::sink::crash::{Subject, any_crashes, any_script, check, check_every_operation};
use expect_test::expect;
use proptest::prelude::*;
use serde_json::json;
use waystream_engine::checkpoint::LocalDisk;
use waystream_engine::error::ErrorKind;
use waystream_engine::spec::History;

const FILE: &str = "out/rows.jsonl";

fn batch(epoch: u64, bytes: &str) -> StagedBatch {
    StagedBatch { epoch: Epoch(epoch), rows: 1, bytes: bytes.into() }
}

fn on_disk(path: &Path) -> JsonlCommitter {
    JsonlSink::new(Arc::new(LocalDisk), path, &Owner::of_test("rows")).file_committer()
}

#[test]
fn rows_are_compact_json_lines() {
    let mut bytes = Vec::new();
    for row in [json!({"a": 1, "b": "x\ny"}), json!({"a": null, "b": "é"})] {
        JsonlEncoder.encode(&row, &mut bytes).unwrap();
    }
    expect![[r#"
        {"a":1,"b":"x\ny"}
        {"a":null,"b":"é"}
    "#]]
    .assert_eq(&String::from_utf8(bytes).unwrap());
}

#[test]
fn a_row_that_cannot_be_json_leaves_nothing_behind() {
    let mut bytes = b"{}\n".to_vec();
    let row = std::collections::HashMap::from([((1, 2), 3)]);
    let error = JsonlEncoder.encode(&row, &mut bytes).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Failed);
    assert_eq!(bytes, b"{}\n");
}

#[test]
fn goes_on_at_the_confirmed_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/rows.jsonl");
    let mut first = on_disk(&path);
    first.recover(None).unwrap();
    let kept = first.commit(Epoch(1), vec![batch(1, "1\n"), batch(1, "2\n")]).unwrap().unwrap();
    assert_eq!(kept, Confirmed { epoch: Epoch(1), position: "4".into() });
    first.commit(Epoch(2), vec![batch(2, "3\n")]).unwrap();
    let mut second = on_disk(&path);
    second.recover(Some(&kept)).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\n");
    second.commit(Epoch(3), vec![batch(2, "3\n"), batch(3, "4\n")]).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\n3\n4\n");
}

#[test]
fn starts_its_own_file_anew_and_refuses_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own.jsonl");
    on_disk(&own).recover(None).unwrap();
    std::fs::write(&own, "cut off").unwrap();
    on_disk(&own).recover(None).unwrap();
    assert_eq!(std::fs::read(&own).unwrap(), b"");

    let other = folder.path().join("other.jsonl");
    std::fs::write(&other, "precious").unwrap();
    let error = on_disk(&other).recover(None).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Configuration);
    assert!(error.what.ends_with("other.jsonl holds something that this job did not write"));
    assert_eq!(std::fs::read(&other).unwrap(), b"precious");

    let error = JsonlSink::new(Arc::new(LocalDisk), &own, &Owner::of_test("cells"))
        .file_committer()
        .recover(None);
    let text = error.unwrap_err().to_string();
    assert!(text.ends_with("says: written by waystream, sink `rows`, checkpoints"), "{text}");
}

#[test]
fn a_job_with_other_checkpoints_goes_on_with_a_file_and_does_not_empty_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    on_disk(&path).recover(None).unwrap();
    std::fs::write(&path, "1\n2\n").unwrap();
    let other = |resumes| {
        let history = History { checkpoints: "other".into(), resumes, ..History::default() };
        let owner = Owner { sink: "rows", history: &history };
        JsonlSink::new(Arc::new(LocalDisk), &path, &owner).file_committer()
    };
    let error = other(false).recover(None).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Configuration);
    assert_eq!(std::fs::read(&path).unwrap(), b"1\n2\n");
    let confirmed = Confirmed { epoch: Epoch(1), position: "2".into() };
    other(true).recover(Some(&confirmed)).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"1\n");
    // Now it is theirs.
    assert!(on_disk(&path).recover(None).is_err());
}

#[test]
fn refuses_a_file_that_lost_committed_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let confirmed = |position: &str| Confirmed { epoch: Epoch(1), position: position.into() };
    let refusal = |position: &str| {
        let error = on_disk(&path).recover(Some(&confirmed(position))).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Checkpoint);
        error.to_string().replace(path.to_str().unwrap(), "FILE")
    };
    expect!["FILE is missing, the checkpoint says that 4 were written"].assert_eq(&refusal("4"));
    std::fs::write(&path, "1\n").unwrap();
    expect!["FILE has 2 bytes, the checkpoint says that 4 were written"].assert_eq(&refusal("4"));
    expect!["FILE: `x` is not a length: invalid digit found in string"].assert_eq(&refusal("x"));
}

#[test]
fn goes_on_in_its_own_file_only() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.jsonl");
    std::fs::write(&other, "precious and long").unwrap();
    let confirmed = |position: &str| Confirmed { epoch: Epoch(1), position: position.into() };
    let error = on_disk(&other).recover(Some(&confirmed("4"))).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Configuration);
    assert!(
        error.what.ends_with(
            "other.jsonl is not the file that the checkpoint says 4 bytes were written to"
        )
    );
    let error = on_disk(&other).recover(Some(&confirmed("0"))).unwrap_err();
    assert!(error.what.ends_with("other.jsonl holds something that this job did not write"));
    assert_eq!(std::fs::read(&other).unwrap(), b"precious and long");
    on_disk(&folder.path().join("new.jsonl")).recover(Some(&confirmed("0"))).unwrap();
}

fn encode(rows: &[u64]) -> Vec<u8> {
    rows.iter().flat_map(|row| format!("{row}\n").into_bytes()).collect()
}

fn read(disk: &dyn Disk) -> Result<Vec<u64>, String> {
    let bytes = disk.read(Path::new(FILE)).unwrap_or_default();
    let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
    if !(text.is_empty() || text.ends_with('\n')) {
        return Err(format!("a torn row at the end of {text:?}"));
    }
    text.lines().map(|line| line.parse().map_err(|_| format!("not a row: {line:?}"))).collect()
}

fn committer(disk: Arc<dyn Disk>) -> JsonlCommitter {
    JsonlSink::new(disk, Path::new(FILE), &Owner::of_test("rows")).file_committer()
}

fn subject() -> Subject {
    Subject { committer: |disk| Box::new(committer(disk)), encode, read, always_whole: false }
}

#[test]
fn a_crash_at_any_operation_leaves_each_row_once() {
    let script = vec![vec![2], vec![], vec![1, 2], vec![3], vec![1]];
    let operations = check_every_operation(subject(), &script).unwrap();
    assert!(operations > 10, "only {operations} operations were tried");
}

proptest! {
    #[test]
    fn any_crashes_leave_each_row_once(script in any_script(), crashes in any_crashes()) {
        prop_assert_eq!(check(subject(), &script, &crashes), Ok(()));
    }
}

/// Planted: confirms what was never synced.
struct Unsynced(JsonlCommitter);

impl Committer for Unsynced {
    fn recover(&mut self, confirmed: Option<&Confirmed>) -> Result<()> {
        self.0.recover(confirmed)
    }

    fn commit(&mut self, epoch: Epoch, batches: Vec<StagedBatch>) -> Result<Option<Confirmed>> {
        for batch in batches {
            let written = self.0.disk().write_at(&self.0.path, self.0.length, &batch.bytes);
            written.map_err(cannot("write", &self.0.path))?;
            self.0.length += batch.bytes.len() as u64;
        }
        Ok(Some(Confirmed { epoch, position: self.0.length.to_string() }))
    }

    fn finish(&mut self, _: Epoch) -> Result<Option<Confirmed>> {
        Ok(None)
    }
}

/// Planted: goes on at the end of the file instead of the confirmed length.
struct Appending(JsonlCommitter);

impl Committer for Appending {
    fn recover(&mut self, confirmed: Option<&Confirmed>) -> Result<()> {
        let there = self.0.disk().len(Path::new(FILE)).ok().flatten();
        if there.is_none() {
            self.0.recover(confirmed)?;
        }
        self.0.length = there.unwrap_or(0);
        Ok(())
    }

    fn commit(&mut self, epoch: Epoch, batches: Vec<StagedBatch>) -> Result<Option<Confirmed>> {
        self.0.commit(epoch, batches)
    }

    fn finish(&mut self, epoch: Epoch) -> Result<Option<Confirmed>> {
        self.0.finish(epoch)
    }
}

#[test]
fn the_checker_sees_a_commit_without_sync() {
    let broken = Subject { committer: |disk| Box::new(Unsynced(committer(disk))), ..subject() };
    let what = check_every_operation(broken, &vec![vec![2], vec![1], vec![1]]).unwrap_err();
    assert!(what.contains("4 rows were staged, found []"), "{what}");
}

#[test]
fn the_checker_sees_rows_that_are_written_twice() {
    let broken = Subject { committer: |disk| Box::new(Appending(committer(disk))), ..subject() };
    let what = check_every_operation(broken, &vec![vec![2], vec![1], vec![1]]).unwrap_err();
    assert!(what.contains("found"), "{what}");
}
