//! Waystream: stream processing for things that move, from an event log to whoever watches,
//! exactly once.
//!
//! A job is a function that declares streams; a binary of jobs is `fn main() -> ExitCode {
//! waystream::main(jobs) }`, which gives it the command line: `run`, `list`, `graph`, `validate`.
//! What a job is given is written on it or in [files](guides::configuration).
//!
//! | what you know from Flink | what it is here |
//! |---|---|
//! | `uid("…")` that can be forgotten | a name that cannot |
//! | `keyBy`, `ValueState` | [`key_by`](operators::Stream::key_by), a struct folded by [`live`](operators::Keyed::live) or [`stateful`](operators::Keyed::stateful) |
//! | `WatermarkStrategy` | [`EventTime`](operators::EventTime), at the source, per partition |
//! | checkpoint barrier | epoch |
//! | `allowedLateness` | the same, judged against the record's own partition |

mod cli;
#[path = "../console/assets.rs"]
mod console;
pub mod fleet;
mod job;

pub use cli::main;
pub use job::{Job, all};
pub use waystream_connectors as connectors;
pub use waystream_engine as engine;
pub use waystream_operators as operators;

/// Guides.
pub mod guides {
    #[doc = include_str!("docs/config.md")]
    pub mod configuration {}
}

/// What a job file needs.
pub mod prelude {
    pub use crate::Job;
    pub use serde::{Deserialize, Serialize};
    pub use waystream_connectors::sink::Output;
    pub use waystream_connectors::source::Input;
    pub use waystream_operators::{
        Cell, Change, Crossing, DeadLetter, EventTime, Flow, Keyed, Located, Moving, Pane,
        Position, Resolution, Session, Sliding, StopRule, Stream, TestJob, Timestamp, Tumbling,
        Unset, ZoneSettings, ZoneSource, Zones, mins, ms, secs,
    };
}
