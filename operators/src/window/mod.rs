//! Windows of event time: which windows an event is in, and what is made of each window.

mod aggregate;
mod assign;
mod fixed;
mod fold;
mod pane;
mod reduce;
mod session;
#[cfg(test)]
mod times;
mod windowed;

pub use assign::{FixedWindows, Session, Sliding, Tumbling, WindowError, Windows};
pub use pane::Pane;
pub use windowed::Windowed;
