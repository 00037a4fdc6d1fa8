//! waystream
