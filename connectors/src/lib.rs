//! connectors

pub mod websocket;
