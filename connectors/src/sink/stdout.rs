//! `stdout:`: committed rows as JSON lines on standard output.
//!
//! A row is printed only after its epoch counts. What a pipe has swallowed cannot be taken back or
//! looked up, so rows whose confirmation a crash lost are printed again by the next run.

use super::jsonl::JsonlEncoder;
use serde::Serialize;
use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use waystream_engine::checkpoint::Confirmed;
use waystream_engine::error::{JobError, Result};
use waystream_engine::sink::{Committer, Encoder, Sink, StagedBatch};
use waystream_engine::time::Epoch;

/// Whether a sink of this process prints rows, as standard output is one for the process.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether standard output belongs to the rows of a sink, so that nothing else should be printed
/// between or behind them.
#[must_use]
pub fn stdout_is_taken() -> bool {
    IS_TAKEN.load(Relaxed)
}

/// A sink that prints rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct StdoutSink;

impl<T: Serialize> Sink<T> for StdoutSink {
    fn kind(&self) -> &'static str {
        "stdout"
    }

    fn encoder(&self) -> Result<Box<dyn Encoder<T>>> {
        Ok(Box::new(JsonlEncoder))
    }

    fn committer(&self) -> Result<Box<dyn Committer>> {
        IS_TAKEN.store(true, Relaxed);
        Ok(Box::new(Printer { target: io::stdout() }))
    }
}

struct Printer<W> {
    target: W,
}

impl<W> fmt::Debug for Printer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Printer")
    }
}

impl<W: Write + Send> Committer for Printer<W> {
    fn recover(&mut self, _: Option<&Confirmed>) -> Result<()> {
        Ok(())
    }

    fn commit(&mut self, epoch: Epoch, batches: Vec<StagedBatch>) -> Result<Option<Confirmed>> {
        let mut printed = Ok(());
        for batch in &batches {
            printed = printed.and_then(|()| self.target.write_all(&batch.bytes));
        }
        printed.and_then(|()| self.target.flush()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => JobError::unavailable("standard output was closed"),
            _ => JobError::unavailable("cannot write to standard output").caused_by(error),
        })?;
        Ok(Some(Confirmed { epoch, position: String::new() }))
    }

    fn finish(&mut self, _: Epoch) -> Result<Option<Confirmed>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use waystream_engine::error::ErrorKind;

    fn batch(bytes: &[u8]) -> StagedBatch {
        StagedBatch { epoch: Epoch(1), rows: 1, bytes: bytes.to_vec() }
    }

    #[test]
    fn prints_committed_rows_in_order() {
        let mut printer = Printer { target: Vec::new() };
        printer.recover(None).unwrap();
        let confirmed = printer.commit(Epoch(1), vec![batch(b"{}\n"), batch(b"[]\n")]).unwrap();
        assert_eq!(confirmed.unwrap().epoch, Epoch(1));
        expect![[r#"
            {}
            []
        "#]]
        .assert_eq(std::str::from_utf8(&printer.target).unwrap());
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_an_unavailable_target() {
        let mut printer = Printer { target: Closed };
        let error = printer.commit(Epoch(1), vec![batch(b"{}\n")]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        expect!["standard output was closed"].assert_eq(&error.to_string());
    }
}
