//! The real binary, run as people run it.

mod command_line;
mod plans;
mod process;
mod processes;
mod server;
mod signals;
mod terminal;
