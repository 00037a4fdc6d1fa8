//! Waystream: stream processing for things that move, from an event log to whoever watches,
//! exactly once.
//!
//! A job is a function that declares where streams begin, what happens to them, and where they end.
//! The engine keeps its state and commits its rows once, through any number of crashes and on any
//! number of workers. This crate is all a job needs: the language ([`operators`]), sources and sinks
//! ([`connectors`]), the engine they run on ([`engine`]), and the command line ([`main`]).
//!
//! # A whole job
//!
//! One live courier per id: the customer's phone hears of each change, and of a courier who has been
//! silent for half an hour.
//!
//! ```
//! use waystream::prelude::*;
//!
//! #[derive(Clone, Serialize, Deserialize)]
//! struct Ping { courier: u32, at: Timestamp, stop: u8 }
//!
//! #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
//! struct Courier { stops_done: u8, last_seen: Timestamp }
//!
//! impl Courier {
//!     fn observe(&mut self, ping: Ping) {
//!         self.stops_done = self.stops_done.max(ping.stop);
//!         self.last_seen = ping.at;
//!     }
//! }
//!
//! fn build(flow: &Flow) {
//!     let event_time = EventTime::by(|ping: &Ping| ping.at).out_of_order(secs(5));
//!     flow.source("pings", Input::records(), event_time)
//!         .key_by(|ping| ping.courier)
//!         .live("couriers", Courier::observe)
//!         .expire_after(mins(30))
//!         .sink("app", Output::named());
//! }
//!
//! // In a test: sources and sinks replaced by name, the job unmodified.
//! let ping = |second: i64, stop| Ping { courier: 7, at: Timestamp(second * 1000), stop };
//! let changes = TestJob::new(build)
//!     .input("pings", [ping(0, 1), ping(60, 2)])
//!     .crash()
//!     .input("pings", [ping(120, 3)])
//!     .output::<Change<u32, Courier>>("app");
//! let state = Courier { stops_done: 3, last_seen: Timestamp(120_000) };
//! assert_eq!(changes[2], Change::Upsert { key: 7, state });
//! assert_eq!(changes[3], Change::Remove { key: 7 });
//! ```
//!
//! A binary of jobs is a list of them. What the code names, the command line can point elsewhere:
//!
//! ```no_run
//! # use waystream::prelude::*;
//! # fn build(_: &Flow) {}
//! fn main() -> std::process::ExitCode {
//!     waystream::main(vec![Job::new("delivery", "one live courier per id", build)])
//! }
//! ```
//!
//! ```text
//! delivery run delivery --source pings=jsonl:pings.jsonl --sink app=parquet:out/app --workers 2
//! ```
//!
//! Then read the guides: [time](guide::time), [state](guide::state), [testing](guide::testing), and
//! what a job can be given from outside, [configuration](guide::configuration).
//! `examples/` in the repository is a ladder of eight jobs, from a filter to a harbour.
//!
//! # What you know, and what it is here
//!
//! | Flink | here |
//! |---|---|
//! | `StreamExecutionEnvironment`, `execute()` | a [`Flow`](operators::Flow) that a function `build` is given; [`main`] runs it |
//! | `DataStream`, `KeyedStream` | [`Stream`](operators::Stream), [`Keyed`](operators::Keyed) |
//! | `.uid("…")` that can be forgotten | a name that cannot: what owns state takes it first |
//! | `WatermarkStrategy`, anywhere | [`EventTime`](operators::EventTime), at the source, for each partition |
//! | `withIdleness` | [`idle_after`](operators::EventTime::idle_after) |
//! | `keyBy`, `ValueState`, state descriptors | [`key_by`](operators::Stream::key_by) and a struct with a method that takes an event: [`live`](operators::Keyed::live), [`stateful`](operators::Keyed::stateful) |
//! | state TTL, by processing time | [`expire_after`](operators::Stream::expire_after), by event time, and the removal is told |
//! | upsert streams, changelogs | [`Change`](operators::Change) |
//! | `KeyedProcessFunction`, timers | [`Operator`](operators::Operator) and [`process`](operators::Keyed::process), timers on both clocks |
//! | `TumblingEventTimeWindows`, `AggregateFunction` | [`Tumbling`](operators::Tumbling), [`Sliding`](operators::Sliding) and a struct |
//! | `allowedLateness`, `sideOutputLateData` | [`allowed_lateness`](operators::Windowed::allowed_lateness), [`late`](operators::Windowed::late); late is judged by the record's own partition |
//! | side outputs | [`split`](operators::Stream::split), or a second sink on a clone |
//! | `DeserializationSchema` that throws | [`dead_letters`](operators::Flow::dead_letters), with bytes and provenance |
//! | checkpoint barrier | epoch: no alignment, nothing is blocked |
//! | two-phase commit sinks | every sink: rows are staged in the checkpoint and shown after it |
//! | key groups, max parallelism | 1024 key groups, always; the number of workers is free at each start |
//! | MiniCluster, test harnesses | [`TestJob`](operators::TestJob), and [`simulate`](operators::TestJob::simulate) for what harnesses cannot find |
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | source, partition, offset | where records come from, a part of it that has an order, a place in that |
//! | event, record | something that happened at a time; what was read of it |
//! | event time, watermark, late | see [time](guide::time) |
//! | out of order, allowed lateness | how far behind the latest event one may come and be on time; how long a window still takes late ones |
//! | key, key group | what state belongs to; one of 1024 shares of all keys |
//! | state, live, change, expire | what is kept of a key; the latest of it; a difference in it; to be forgotten after silence |
//! | window, pane, aggregate | a span of event time; its result for one key; how that is made |
//! | epoch, checkpoint, manifest | what is committed together; its state on disk; the file that makes it count |
//! | savepoint | a checkpoint copied into a folder of its own, from which another job may begin |
//! | restore, replay | to go on from a checkpoint; to read an archive again |
//! | flow, stream, operator, sink | the job while it is declared, and its parts |
//! | job, plan, worker | the function and its name; what it declared; a thread that runs it |
//! | position, zone, crossing, cell | where something is; an area; entering or leaving it; a piece of the H3 grid |
//! | trip, stop | positions of a key without a long silence; a time a key spent within a circle |

mod cli;
#[path = "../console/assets.rs"]
mod console;
pub mod fleet;
pub mod guide;
mod job;
pub mod replay;

/// State of millions of keys lies on huge pages with this allocator, which halves the cost of finding
/// an entry on some machines.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use cli::main;
pub use job::{Job, all};
pub use waystream_connectors as connectors;
pub use waystream_engine as engine;
pub use waystream_operators as operators;

/// What a job file needs.
pub mod prelude {
    pub use crate::Job;
    pub use serde::{Deserialize, Serialize};
    pub use waystream_connectors::sink::Output;
    pub use waystream_connectors::source::Input;
    pub use waystream_operators::{
        Cell, Change, Crossing, DeadLetter, Due, Event, EventTime, Flow, JobError, Keyed, Located,
        Moving, Operator, Pane, Position, Resolution, Scope, Session, Shown, Sliding, Step,
        StopRule, Stream, TestJob, Timestamp, Tumbling, Unset, ZoneSettings, ZoneSource, Zones,
        mins, ms, secs,
    };
}
