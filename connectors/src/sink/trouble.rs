//! What a user reads when an output cannot be written: the path, the cause and the next step.

use super::claim::{Claim, Owner, cannot};
use super::jsonl::JsonlSink;
use super::parquet::ParquetSink;
use expect_test::expect;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use waystream_engine::checkpoint::{Disk, LocalDisk};
use waystream_engine::error::{ErrorKind, JobError};
use waystream_engine::sink::{Committer, Sink, StagedBatch};
use waystream_engine::time::Epoch;

#[derive(Clone, Serialize, Deserialize)]
struct Count {
    n: u64,
}

fn jsonl(path: &Path) -> Box<dyn Committer> {
    Sink::<Count>::committer(&JsonlSink::new(Arc::new(LocalDisk), path, &Owner::of_test("rows")))
        .unwrap()
}

fn parquet(path: &Path) -> Box<dyn Committer> {
    let sink =
        ParquetSink::of::<Count>(Arc::new(LocalDisk), path, &Owner::of_test("rows"), 1).unwrap();
    Sink::<Count>::committer(&sink).unwrap()
}

fn told(error: &JobError, folder: &Path) -> String {
    let hint = error.hint.clone().unwrap_or_default();
    let text = format!("{error}\n    hint: {hint}\n");
    text.replace(&format!("{}/", folder.display()), "")
}

#[test]
fn places_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::create_dir(at("folder")).unwrap();
    std::fs::write(at("file"), "").unwrap();
    std::fs::write(at("other.jsonl"), "{}\n").unwrap();
    std::fs::create_dir(at("others")).unwrap();
    std::fs::write(at("others/x.parquet"), "").unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), 0o600.into()).unwrap();
    let table = [
        ("a folder for a file", jsonl(&at("folder"))),
        ("a file for a folder above", jsonl(&at("file/rows.jsonl"))),
        ("a stranger's file", jsonl(&at("other.jsonl"))),
        ("a pipe that nobody reads", jsonl(&at("pipe"))),
        ("a file for a folder", parquet(&at("file"))),
        ("a stranger's folder", parquet(&at("others"))),
    ];
    let mut out = String::new();
    for (what, mut committer) in table {
        let error = committer.recover(None).unwrap_err();
        write!(out, "{what}\n    {}", told(&error, dir.path())).unwrap();
    }
    expect![[r#"
        a folder for a file
            folder holds something that this job did not write
            hint: move the file away, or name another with --sink
        a file for a folder above
            cannot make the folder file: File exists (os error 17)
            hint: a file stands where a folder must be: move it, or name another place with --sink
        a stranger's file
            other.jsonl holds something that this job did not write
            hint: move the file away, or name another with --sink
        a pipe that nobody reads
            cannot write pipe: No such device or address (os error 6)
            hint: name an ordinary file on a disk: a folder, a pipe, a device or /proc cannot do this
        a file for a folder
            cannot make the folder file: File exists (os error 17)
            hint: a file stands where a folder must be: move it, or name another place with --sink
        a stranger's folder
            this job did not write others/x.parquet
            hint: move the files away, or name another folder with --sink
    "#]]
    .assert_eq(&out);
    assert_eq!(std::fs::read_to_string(at("other.jsonl")).unwrap(), "{}\n");
}

#[test]
fn a_disk_that_refuses_names_the_file_and_what_to_do() {
    let mut out = String::new();
    for kind in [
        io::ErrorKind::StorageFull,
        io::ErrorKind::QuotaExceeded,
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::ReadOnlyFilesystem,
        io::ErrorKind::TimedOut,
    ] {
        let error = cannot("write", Path::new("out/rows.jsonl"))(kind.into());
        assert_eq!(error.kind, ErrorKind::Unavailable);
        out += &told(&error, Path::new("/"));
    }
    expect![[r#"
        cannot write out/rows.jsonl: no storage space
            hint: make room on the disk and run the job again; it goes on where it stopped
        cannot write out/rows.jsonl: quota exceeded
            hint: make room on the disk and run the job again; it goes on where it stopped
        cannot write out/rows.jsonl: permission denied
            hint: name a place you may write, or change its owner
        cannot write out/rows.jsonl: read-only filesystem or storage medium
            hint: name a place on a disk that may be written
        cannot write out/rows.jsonl: timed out
            hint: mend what the system says and run the job again; it goes on where it stopped
    "#]]
    .assert_eq(&out);
}

#[test]
fn a_full_disk_loses_nothing_when_there_is_room_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.jsonl");
    let batch =
        |epoch, bytes: &str| StagedBatch { epoch: Epoch(epoch), rows: 1, bytes: bytes.into() };
    let mut first = jsonl(&path);
    first.recover(None).unwrap();
    let kept = first.commit(Epoch(1), vec![batch(1, "1\n")]).unwrap();
    // The part of a row that still fitted.
    LocalDisk.write_at(&path, 2, b"22").unwrap();
    let mut second = jsonl(&path);
    second.recover(kept.as_ref()).unwrap();
    second.commit(Epoch(2), vec![batch(2, "2222\n")]).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2222\n");
}

#[test]
fn outputs_may_be_read_by_others_if_the_umask_lets_them() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let path = dir.path().join("rows.jsonl");
    jsonl(&path).recover(None).unwrap();
    assert_eq!(mode(&path), mode(&plain));
    let claim = Claim::of_file(Arc::new(LocalDisk), &path, &Owner::of_test("rows"));
    assert!(claim.is_held().unwrap());
}
