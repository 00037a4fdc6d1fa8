//! `waystream validate`: says that a job fits its configuration, and what each value came from.

use super::arguments::AnswerForm;
use super::config::Resolved;
use serde_json::json;
use std::fmt::Write;
use waystream_engine::sketch::EndKind;

/// What was checked, in a form. Whatever is wrong has been refused before.
pub(super) fn describe(job: &Resolved, form: AnswerForm) -> String {
    let sketch = &job.outline.sketch;
    let name = job.job.name;
    let sources = sketch.stages.iter().filter(|stage| stage.is_source).count();
    let operators = sketch.stages.len() - sources;
    let count = |kind| sketch.ends.iter().filter(|end| end.kind == kind).count();
    let (written, unwritten) = (count(EndKind::Sink), count(EndKind::UnwrittenSink));
    match form {
        AnswerForm::Text => {
            let mut out = format!(
                "{name} is valid: sources {sources}, operators {operators}, sinks {} of which \
                 written {written}, views {}\n",
                written + unwritten,
                count(EndKind::View),
            );
            for ((section, key), given) in job.layers.all() {
                let (section, text, origin) = (section.name(), &given.text, &given.origin);
                let _ = writeln!(out, "  {section}.{key} = {text}  from {origin}");
            }
            out
        }
        AnswerForm::Json => {
            let given = job.layers.all().map(|((section, key), given)| {
                let origin = given.origin.to_string();
                json!({ "section": section.name(), "key": key, "value": given.text, "from": origin })
            });
            let answer = json!({
                "job": name, "valid": true, "sources": sources, "operators": operators,
                "sinks": written + unwritten, "written": written, "views": count(EndKind::View),
                "given": given.collect::<Vec<_>>(),
            });
            format!("{answer}\n")
        }
    }
}
