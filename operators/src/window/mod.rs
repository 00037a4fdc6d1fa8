//! Windows of event time: which windows an event is in, and what is made of each window.

mod aggregate;
mod assign;
mod pane;
mod session;

pub use aggregate::{Aggregate, Filling};
pub use assign::{Session, Sliding, Tumbling, WindowError, Windows};
pub use pane::{Pane, Window};
pub use session::{SessionAggregate, Sessions};
