//! Guides: how to think about a job.

#[doc = include_str!("../docs/time.md")]
pub mod time {}

#[doc = include_str!("../docs/state.md")]
pub mod state {}

#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

#[doc = include_str!("../docs/config.md")]
pub mod configuration {}

#[doc = include_str!("../docs/kafka.md")]
pub mod kafka {}
