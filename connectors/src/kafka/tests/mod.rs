//! Against a real broker: `dev/kafka run -- cargo test …` says where it is.

mod broker;
mod reading;
mod writing;
