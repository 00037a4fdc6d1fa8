//! Views served to browsers and programs: keyed tables over WebSocket and plain HTTP.

mod assets;
mod bell;
mod bodies;
mod connections;
mod handshake;
mod hub;
mod outbox;
mod protocol;
mod room;
mod routes;
mod server;
mod session;
mod shown;
mod table;
#[cfg(test)]
mod table_tests;

pub use assets::Asset;
pub use hub::{Change, Hub, Ticker, View};
pub use protocol::{Limits, Position, close_code};
pub use server::{Server, ServerConfig, Stats};
pub use table::KeyedRow;
