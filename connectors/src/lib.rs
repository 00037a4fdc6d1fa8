//! Waystream's edges: sources, sinks, formats and views.

pub mod sink;
