//! Whether a checkpoint fits the job that wants to start from it.

use super::manifest::Manifest;
use super::start::Planned;
use crate::error::{JobError, Result};

/// Refuses a checkpoint, found in `place`, that the job as it is declared would misread or could
/// not complete.
///
/// # Errors
/// Names the file, what does not fit, and the way out.
pub(super) fn check_fits(manifest: &Manifest, planned: &Planned, place: &str) -> Result<()> {
    let refuse =
        |what: String, hint: &str| Err(JobError::configuration(what).hint(hint.to_owned()));
    if manifest.job != planned.job {
        let what = format!("{place} is of job `{}`, not `{}`", manifest.job, planned.job);
        return refuse(what, "give each job a folder of its own with --checkpoints");
    }
    for old in &manifest.stages {
        let (name, was) = (&old.name, &old.schema);
        match planned.stages.iter().find(|stage| stage.name == old.name) {
            None => {
                let what =
                    format!("{place} holds state of `{name}` ({was}), which the job has no more");
                return refuse(what, "run the job that has it, or start anew with --fresh");
            }
            Some(new) if new.schema != old.schema => {
                let what = format!("in {place} `{name}` is {was}, in the job {}", new.schema);
                return refuse(
                    what,
                    "run it as it was, name another folder with --checkpoints, or start anew with --fresh",
                );
            }
            Some(_) => {}
        }
    }
    for (name, was) in &manifest.sinks {
        let is_owed = manifest.staged.iter().any(|staged| staged.sink == *name);
        match planned.sinks.get(name) {
            None if is_owed => {
                let what =
                    format!("{place} owes rows to sink `{name}` ({was}), which has no place");
                let hint = format!(
                    "name it once more with --sink {name}={was}:… so that it is paid, or start \
                     anew with --fresh"
                );
                return refuse(what, &hint);
            }
            Some(is) if is != was && (is_owed || manifest.confirmed.contains_key(name)) => {
                let what = format!("in {place} sink `{name}` is {was}, in the job {is}");
                let hint =
                    format!("write to --sink {name}={was}:… as before, or start anew with --fresh");
                return refuse(what, &hint);
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Confirmed, PlannedStage, StagedRef};
    use crate::error::ErrorKind;
    use expect_test::{Expect, expect};

    fn stage(name: &str, schema: &str) -> PlannedStage {
        PlannedStage { name: name.to_owned(), schema: schema.to_owned() }
    }

    fn planned() -> Planned {
        let stages = vec![stage("ships", "source jsonl:*.jsonl"), stage("latest", "live v1")];
        let kinds = [("rows", "jsonl"), ("stops", "parquet")];
        let sinks = kinds.map(|(name, kind)| (name.to_owned(), kind.to_owned())).into();
        Planned { job: "fleet".to_owned(), stages, sinks, history: "h".to_owned() }
    }

    /// A checkpoint of that job: `rows` has confirmed some, `stops` is owed some.
    fn manifest() -> Manifest {
        let planned = planned();
        let (stages, sinks) = (planned.stages, planned.sinks);
        let mut manifest = Manifest { stages, sinks, ..Manifest::first("fleet") };
        manifest.confirmed.insert("rows".to_owned(), Confirmed::default());
        manifest.staged.push(StagedRef {
            sink: "stops".to_owned(),
            epoch: crate::time::Epoch(3),
            rows: 2,
            segment: "g1-e3-w0.segment".to_owned(),
            start: 8,
            length: 20,
            crc: 0,
        });
        manifest
    }

    fn refused(change: impl FnOnce(&mut Planned), expected: &Expect) {
        let mut planned = planned();
        change(&mut planned);
        let error = check_fits(&manifest(), &planned, "manifest-3.json").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Configuration);
        expected.assert_eq(&format!("{error}\nhint: {}", error.hint.as_deref().unwrap_or("-")));
    }

    #[test]
    fn more_stages_and_sinks_fit() {
        let mut planned = planned();
        planned.stages.push(stage("trips", "trips v1"));
        planned.sinks.insert("trips".to_owned(), "jsonl".to_owned());
        check_fits(&manifest(), &planned, "manifest-3.json").unwrap();
        planned.sinks.remove("rows");
        check_fits(&manifest(), &planned, "manifest-3.json").unwrap();
    }

    #[test]
    fn what_does_not_fit_is_named_with_the_way_out() {
        refused(
            |planned| planned.job = "ferry".to_owned(),
            &expect![[r#"
            manifest-3.json is of job `fleet`, not `ferry`
            hint: give each job a folder of its own with --checkpoints"#]],
        );
        refused(
            |planned| planned.stages.truncate(1),
            &expect![[r#"
            manifest-3.json holds state of `latest` (live v1), which the job has no more
            hint: run the job that has it, or start anew with --fresh"#]],
        );
        refused(
            |planned| planned.stages[1] = stage("latest", "live v2"),
            &expect![[r#"
                in manifest-3.json `latest` is live v1, in the job live v2
                hint: run it as it was, name another folder with --checkpoints, or start anew with --fresh"#]],
        );
        let other = stage("ships", "source jsonl:b/*.jsonl");
        refused(
            |planned| planned.stages[0] = other,
            &expect![[r#"
                in manifest-3.json `ships` is source jsonl:*.jsonl, in the job source jsonl:b/*.jsonl
                hint: run it as it was, name another folder with --checkpoints, or start anew with --fresh"#]],
        );
    }

    #[test]
    fn a_sink_of_another_kind_or_without_its_rows_is_refused() {
        let kind = |name: &str, kind: &str| {
            let (name, kind) = (name.to_owned(), kind.to_owned());
            move |planned: &mut Planned| drop(planned.sinks.insert(name, kind))
        };
        refused(
            kind("rows", "blackhole"),
            &expect![[r#"
            in manifest-3.json sink `rows` is jsonl, in the job blackhole
            hint: write to --sink rows=jsonl:… as before, or start anew with --fresh"#]],
        );
        refused(
            kind("stops", "jsonl"),
            &expect![[r#"
            in manifest-3.json sink `stops` is parquet, in the job jsonl
            hint: write to --sink stops=parquet:… as before, or start anew with --fresh"#]],
        );
        refused(
            |planned| drop(planned.sinks.remove("stops")),
            &expect![[r#"
            manifest-3.json owes rows to sink `stops` (parquet), which has no place
            hint: name it once more with --sink stops=parquet:… so that it is paid, or start anew with --fresh"#]],
        );
    }
}
