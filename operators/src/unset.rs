//! A source or sink that only a deployment or a test can fill.

use waystream_engine::error::{JobError, Result};
use waystream_engine::event::Data;
use waystream_engine::sink::Sink;
use waystream_engine::source::Source;
use waystream_engine::spec::{OpenContext, SinkSpec, SourceSpec};

/// No default: a test gives the input and takes the output. As a source it refuses to run
/// otherwise; as a sink it drops its rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unset;

impl<R: Data> SourceSpec<R> for Unset {
    fn open(self, context: &OpenContext) -> Result<Box<dyn Source<Record = R>>> {
        Err(JobError::configuration(format!("source `{}` has nothing to read", context.name))
            .hint("give the job a connector here, or the test an input of this name"))
    }
}

impl<T: Data> SinkSpec<T> for Unset {
    fn open(self, _context: &OpenContext) -> Result<Option<Box<dyn Sink<T>>>> {
        Ok(None)
    }
}
