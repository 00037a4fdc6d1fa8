//! A job in several processes on this machine: a supervisor that starts them, watches them, and
//! starts all of them again when one is gone; and the side of a process that it has started.

mod attempt;
mod channel;
mod history;
mod member;
mod supervise;

pub(super) use member::join;
pub(super) use supervise::supervise;
