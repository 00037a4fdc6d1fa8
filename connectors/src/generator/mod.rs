//! Made-up records: the n-th is always the same, at a rate and up to a count if wanted.

mod source;

pub use source::Generator;
