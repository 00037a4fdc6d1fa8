//! Waystream's edges: sources, sinks, formats and views.

pub mod file;
pub mod format;
pub mod generator;
#[cfg(feature = "kafka")]
mod kafka;
pub mod parquet;
pub mod sink;
pub mod source;
pub mod url;
pub mod websocket;
