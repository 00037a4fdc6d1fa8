//! A job over several processes: how they find and prove themselves to each other, what travels
//! between them, and how all end when one does.
//!
//! Process 0 leads: it holds the lock, claims the generation, writes manifests and pays the sinks.
//! The others are told which checkpoint to restore, and write their segments into the same folder.

mod config;
mod control;
mod counts;
mod follow;
mod frame;
mod gather;
mod greet;
mod hello;
mod lead;
mod link;
mod relay;
mod run;
mod seats;
mod secret;
mod wire;

pub use config::{Cluster, Member};
pub use relay::ViewRelay;
pub(crate) use run::run;
pub use secret::{Secret, random_text};
