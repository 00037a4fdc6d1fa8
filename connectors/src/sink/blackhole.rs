//! `blackhole:`: counts rows and keeps none.

use waystream_engine::checkpoint::Confirmed;
use waystream_engine::error::{JobError, Result};
use waystream_engine::sink::{Committer, Encoder, Sink, StagedBatch};
use waystream_engine::time::Epoch;

/// A sink that only counts; its position is the number of rows so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlackholeSink;

impl<T> Sink<T> for BlackholeSink {
    fn kind(&self) -> &'static str {
        "blackhole"
    }

    fn encoder(&self) -> Result<Box<dyn Encoder<T>>> {
        Ok(Box::new(Swallow))
    }

    fn committer(&self) -> Result<Box<dyn Committer>> {
        Ok(Box::new(Counter { rows: 0 }))
    }
}

struct Swallow;

impl<T> Encoder<T> for Swallow {
    fn encode(&mut self, _: &T, _: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
}

struct Counter {
    rows: u64,
}

impl Committer for Counter {
    fn recover(&mut self, confirmed: Option<&Confirmed>) -> Result<()> {
        let position = confirmed.map_or("0", |confirmed| &confirmed.position);
        self.rows = position.parse().map_err(|error| {
            JobError::checkpoint(format!("`{position}` is not a number of rows")).caused_by(error)
        })?;
        Ok(())
    }

    fn commit(&mut self, epoch: Epoch, batches: Vec<StagedBatch>) -> Result<Option<Confirmed>> {
        self.rows += batches.iter().map(|batch| batch.rows).sum::<u64>();
        Ok(Some(Confirmed { epoch, position: self.rows.to_string() }))
    }

    fn finish(&mut self, _: Epoch) -> Result<Option<Confirmed>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_on_from_the_confirmed_number() {
        let mut counter = Counter { rows: 0 };
        let confirmed = Confirmed { epoch: Epoch(3), position: "40".into() };
        counter.recover(Some(&confirmed)).unwrap();
        let batch = StagedBatch { epoch: Epoch(4), rows: 2, bytes: Vec::new() };
        let confirmed = counter.commit(Epoch(4), vec![batch]).unwrap().unwrap();
        assert_eq!(confirmed, Confirmed { epoch: Epoch(4), position: "42".into() });
    }

    #[test]
    fn refuses_a_position_of_another_sink() {
        let confirmed = Confirmed { epoch: Epoch(3), position: "part-1".into() };
        let error = Counter { rows: 0 }.recover(Some(&confirmed)).unwrap_err();
        assert!(error.to_string().starts_with("`part-1` is not a number of rows"));
    }
}
