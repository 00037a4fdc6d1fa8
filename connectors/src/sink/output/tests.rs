//! Which sink a URL picks, and what is said about a wrong one.

use super::*;
use expect_test::{Expect, expect};
use waystream_engine::checkpoint::LocalDisk;
use waystream_engine::error::ErrorKind;

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Row {
    n: u64,
}

fn context(url: Option<&str>) -> OpenContext {
    let (name, disk, history) = ("trips".into(), Arc::new(LocalDisk), Default::default());
    OpenContext { name, url: url.map(str::to_owned), disk, history }
}

#[test]
fn writes_only_what_has_a_url() {
    assert!(Output::<Row>::named().open(&context(None)).unwrap().is_none());
    assert!(Output::<Row>::named().open(&context(Some("blackhole:"))).unwrap().is_some());
    assert!(Output::<Row>::to("stdout:").open(&context(None)).unwrap().is_some());
}

#[test]
fn the_deployment_replaces_the_default() {
    let opened = Output::<Row>::to("jsonl:a.jsonl").open(&context(Some("nowhere:")));
    assert!(opened.is_err());
}

fn refused(url: &str, expected: &Expect) {
    let error = Output::<Row>::to(url).open(&context(None)).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Configuration);
    let hint = error.hint.as_deref().unwrap_or("-");
    expected.assert_eq(&format!("{error}\nhint: {hint}"));
}

#[test]
fn wrong_urls_are_refused_with_a_way_out() {
    refused(
        "out.jsonl",
        &expect![[r#"
            sink trips: `out.jsonl` is no URL: it has no scheme
            hint: write jsonl:out.jsonl"#]],
    );
    refused(
        "json:out.jsonl",
        &expect![[r#"
            sink trips: unknown scheme `json:` of a sink URL
            hint: did you mean `jsonl`?"#]],
    );
    refused(
        "s3:bucket",
        &expect![[r#"
            sink trips: unknown scheme `s3:` of a sink URL
            hint: known: kafka, jsonl, parquet, stdout, blackhole"#]],
    );
    refused(
        "jsonl:",
        &expect![[r#"
        sink trips: `jsonl:` does not say where
        hint: write jsonl:PATH"#]],
    );
    refused(
        "jsonl:a?compress=zstd",
        &expect![[r#"
            sink trips: unknown key `compress` in the URL of `jsonl:`
            hint: leave it out: there is none"#]],
    );
    refused(
        "parquet:a?rol=1MiB",
        &expect![[r#"
            sink trips: unknown key `rol` in the URL of `parquet:`
            hint: did you mean `roll`?"#]],
    );
    refused(
        "parquet:a?roll=big",
        &expect![[r#"
        sink trips: `roll=big` is not a size
        hint: write a number of bytes such as 64MiB"#]],
    );
    refused(
        "stdout:a",
        &expect![[r#"
        sink trips: `stdout:a` names a place that means nothing
        hint: write stdout:"#]],
    );
}
