//! operators

pub mod geo;
