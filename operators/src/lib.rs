//! operators

pub mod geo;
pub mod window;
