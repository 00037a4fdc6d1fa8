//! `waystream graph`: a job's plan for people, programs and pages.

use super::arguments::GraphForm;
use super::config::Resolved;
use serde_json::json;
use std::fmt::Write;
use waystream_engine::plan::Routing;
use waystream_engine::sketch::{EndKind, Sketch, SketchedEnd};

/// The graph of a job in a form.
pub(super) fn draw(job: &Resolved, form: GraphForm) -> String {
    let sketch = &job.outline.sketch;
    match form {
        GraphForm::Text => text(job, sketch),
        GraphForm::Mermaid => mermaid(sketch),
        GraphForm::Json => {
            let settings = &job.outline.settings;
            let graph = json!({
                "job": job.job.name, "stages": sketch.stages, "edges": sketch.edges,
                "ends": sketch.ends, "settings": settings,
            });
            format!("{graph}\n")
        }
    }
}

fn text(job: &Resolved, sketch: &Sketch) -> String {
    let mut out = format!("{}: {}\n", job.job.name, job.job.about);
    for stage in &sketch.stages {
        let _ = writeln!(out, "\n{}  ({})", stage.name, stage.schema);
        for (routing, words) in [(Routing::Exchange, "by key to"), (Routing::Local, "locally to")] {
            let edges = sketch.edges.iter();
            let edges = edges.filter(|edge| edge.from == stage.name && edge.routing == routing);
            line(&mut out, words, edges.map(|edge| edge.to.clone()));
        }
        let ends = |view: bool| {
            let ends = sketch.ends.iter().filter(|end| end.from.contains(&stage.name));
            ends.filter(move |end| (end.kind == EndKind::View) == view)
        };
        line(&mut out, "to view", ends(true).map(|end| end.name.clone()));
        line(&mut out, "to sink", ends(false).map(sink));
    }
    let settings: Vec<_> = job.outline.settings.iter().map(String::as_str).collect();
    if !settings.is_empty() {
        let _ = writeln!(out, "\nsettings: {}", settings.join(", "));
    }
    out
}

fn sink(end: &SketchedEnd) -> String {
    match end.kind {
        EndKind::UnwrittenSink => format!("{} (not written)", end.name),
        EndKind::Sink | EndKind::View => end.name.clone(),
    }
}

fn line(out: &mut String, words: &str, names: impl Iterator<Item = String>) {
    let names: Vec<_> = names.collect();
    if !names.is_empty() {
        let _ = writeln!(out, "  {words} {}", names.join(", "));
    }
}

fn mermaid(sketch: &Sketch) -> String {
    let mut out = "flowchart LR\n".to_owned();
    let number = |name: &str| sketch.stages.iter().position(|stage| stage.name == name);
    for (n, stage) in sketch.stages.iter().enumerate() {
        let (open, close) = if stage.is_source { ("([", "])") } else { ("[", "]") };
        let _ = writeln!(out, "  s{n}{open}{}{close}", label(&stage.name));
    }
    for edge in &sketch.edges {
        let (Some(from), Some(to)) = (number(&edge.from), number(&edge.to)) else { continue };
        let arrow = match edge.routing {
            Routing::Exchange => "== by key ==>",
            Routing::Local => "-->",
        };
        let _ = writeln!(out, "  s{from} {arrow} s{to}");
    }
    for (n, end) in sketch.ends.iter().enumerate() {
        let (open, close, arrow) = match end.kind {
            EndKind::Sink => ("[(", ")]", "-->"),
            EndKind::UnwrittenSink => ("[(", ")]", "-.->"),
            EndKind::View => ("{{", "}}", "-->"),
        };
        let _ = writeln!(out, "  e{n}{open}{}{close}", label(&end.name));
        for from in end.from.iter().filter_map(|from| number(from)) {
            let _ = writeln!(out, "  s{from} {arrow} e{n}");
        }
    }
    out
}

fn label(name: &str) -> String {
    format!("\"{}\"", name.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;"))
}
