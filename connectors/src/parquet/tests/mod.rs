//! Tests of the archive source.
