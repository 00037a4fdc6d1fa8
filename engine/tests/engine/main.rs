//! The engine against its promises: exactly-once under crashes, on any number of workers, and the
//! same answers whatever happens.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod damaged;
mod group;
mod job;
mod processes;
mod recovery;
mod savepoints;
mod tampering;
mod two_processes;
