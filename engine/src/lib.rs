//! The Waystream engine: event time, keyed state, checkpoints and exactly-once commit on timely
//! dataflow.
//!
//! Modules stand in the order a record meets them: a [`source`] reads it, the dataflow carries it
//! to the worker that owns its key, an [`operator`] changes [`state`], a [`sink`] stages its rows,
//! and the [`checkpoint`] of its epoch makes them count.

mod background;
mod buffer;
pub mod checkpoint;
pub mod clock;
pub mod cluster;
mod dataflow;
pub mod error;
pub mod event;
mod failure;
pub mod job;
pub mod key;
mod keyed;
pub mod metrics;
mod nearest;
pub mod operator;
pub mod plan;
pub mod sabotage;
pub mod settle;
pub mod simulation;
pub mod sink;
pub mod sketch;
pub mod source;
pub mod spec;
pub mod state;
pub mod time;
mod worker;

pub use dataflow::{Context, Port};
pub use nearest::{did_you_mean, nearest};
