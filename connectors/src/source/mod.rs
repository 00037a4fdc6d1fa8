//! What every source here shares: the URL it is named by, its files, and the pace it is read at.

mod fields;
mod files;
mod input;
mod pace;
mod paths;
mod place;
mod pull;
#[cfg(test)]
mod tests;

pub(crate) use fields::field_names;
pub(crate) use files::Files;
pub use input::{Input, MakeGenerator};
pub(crate) use pace::Pace;
pub(crate) use paths::{cannot_read, expand};
pub(crate) use place::{decode_mark, encode_mark, fnv};
pub(crate) use pull::{Pull, Pulled, reader};
