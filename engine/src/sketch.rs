//! A job's plan as something to look at: its stages, the edges between them, and where rows end.

use crate::dataflow::StageId;
use crate::plan::Routing;
use serde::Serialize;
use std::fmt;

/// What a plan holds, in the order it was declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sketch {
    /// Sources and keyed operators: all that own state.
    pub stages: Vec<SketchedStage>,
    /// How stages feed each other.
    pub edges: Vec<SketchedEdge>,
    /// Sinks and views.
    pub ends: Vec<SketchedEnd>,
}

/// A stage of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SketchedStage {
    /// Its name in the job.
    pub name: String,
    /// Whether records begin here.
    pub is_source: bool,
    /// What it is, as checkpoints record it.
    pub schema: String,
}

/// An edge between two stages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SketchedEdge {
    /// The stage that sends.
    pub from: String,
    /// The stage that receives.
    pub to: String,
    /// How events reach the worker that owns their key.
    pub routing: Routing,
}

/// A sink or a view, which runs inside the stages that feed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SketchedEnd {
    /// Its name in the job.
    pub name: String,
    /// What it is.
    pub kind: EndKind,
    /// The stages that feed it.
    pub from: Vec<String>,
}

/// Where rows end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndKind {
    /// In a sink.
    Sink,
    /// In a sink that the deployment gives no place: nothing is written.
    UnwrittenSink,
    /// In a view.
    View,
}

/// An end while the plan is under construction: what feeds it may still become more.
pub(crate) struct OpenEnd {
    pub(crate) name: String,
    pub(crate) kind: EndKind,
    pub(crate) origins: Box<dyn Fn() -> Vec<StageId>>,
}

impl fmt::Debug for OpenEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenEnd").field("name", &self.name).finish_non_exhaustive()
    }
}
