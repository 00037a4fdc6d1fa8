//! The dataflow: stages joined by edges, run by timely. The only place that knows timely.

mod coordinator;
mod edge;
mod gate;
mod graph;
mod persist;
mod port;
mod source_driver;
mod stage;
mod stage_driver;

pub(crate) use coordinator::LedgerLine;
pub(crate) use edge::Payload;
pub(crate) use gate::Gate;
pub(crate) use graph::{Graph, Node, NodeKind, Probes, Shared, SharedSettings, build};
pub(crate) use persist::SegmentSettings;
pub(crate) use port::Staged;
pub use port::{Context, Port};
pub(crate) use stage::{Moment, Part, Progress, Stage, StageId};
