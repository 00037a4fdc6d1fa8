//! The engine against its promises: exactly-once under crashes, on any number of workers, and the
//! same answers whatever happens.

mod job;
mod recovery;
