//! A source that makes its records from their numbers.

use crate::source::{decode_mark, encode_mark};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use waystream_engine::clock::{Clock, SystemClock};
use waystream_engine::error::{JobError, Result};
use waystream_engine::event::Data;
use waystream_engine::source::{Partition, Position, ReadBatch, ReadStatus, Reader, Source};
use waystream_engine::spec::{OpenContext, SourceSpec};
use waystream_engine::time::Timestamp;

/// Records made at once.
const RECORDS_PER_BATCH: usize = 1024;
/// The longest a reader asks to be left alone.
const LONGEST_WAIT_MS: i64 = 100;

type Make<R> = Arc<dyn Fn(u64) -> R + Send + Sync>;

/// Makes the record with number `n` by a function of `n` alone. Of `p` partitions, partition `i`
/// has the numbers `i`, `i + p`, `i + 2p` and so on; a position is the next number.
pub struct Generator<R> {
    name: Option<String>,
    partitions: u16,
    make: Make<R>,
    per_second: Option<f64>,
    count: Option<u64>,
    clock: Arc<dyn Clock>,
}

impl<R: Data> Generator<R> {
    /// Endless records, as fast as they are taken.
    pub fn new(partitions: u16, make: impl Fn(u64) -> R + Send + Sync + 'static) -> Self {
        Self {
            name: None,
            partitions: partitions.max(1),
            make: Arc::new(make),
            per_second: None,
            count: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// So many records per second, over all partitions.
    #[must_use]
    pub fn per_second(mut self, rate: f64) -> Self {
        self.per_second = Some(rate).filter(|rate| *rate > 0.0 && rate.is_finite());
        self
    }

    /// Ends after so many records, over all partitions.
    #[must_use]
    pub fn count(mut self, records: u64) -> Self {
        self.count = Some(records);
        self
    }

    /// The name that state is bound to: what the records depend on, such as a seed.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The same under this name, unless it has one.
    pub(crate) fn named_by_default(mut self, name: String) -> Self {
        self.name.get_or_insert(name);
        self
    }

    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("gen")
    }

    /// The clock that the rate is kept by.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl<R: Data> SourceSpec<R> for Generator<R> {
    fn open(self, context: &OpenContext) -> Result<Box<dyn Source<Record = R>>> {
        if let Some(url) = &context.url {
            let what = format!("source `{}` is generated and takes no URL", context.name);
            return Err(JobError::configuration(what).hint(format!("drop `{url}`")));
        }
        Ok(Box::new(self))
    }
}

impl<R: Data> Source for Generator<R> {
    type Record = R;

    fn partitions(&mut self) -> Result<Vec<Partition>> {
        let partition = |index| Partition { index, name: format!("{}-{index}", self.name()) };
        Ok((0..self.partitions).map(partition).collect())
    }

    fn open(
        &mut self,
        partition: &Partition,
        from: Option<&Position>,
    ) -> Result<Box<dyn Reader<Record = R>>> {
        let next = match from {
            Some(position) => decode_mark(position, &partition.name)?,
            None => u64::from(partition.index),
        };
        Ok(Box::new(Numbers {
            next,
            step: u64::from(self.partitions),
            end: self.count.unwrap_or(1 << 48),
            make: self.make.clone(),
            per_second: self.per_second,
            clock: self.clock.clone(),
            started: None,
        }))
    }

    fn is_bounded(&self) -> bool {
        self.count.is_some()
    }

    fn identity(&self) -> String {
        format!("{}/{}", self.name(), self.partitions)
    }
}

impl<R> fmt::Debug for Generator<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator")
            .field("name", &self.name)
            .field("partitions", &self.partitions)
            .field("per_second", &self.per_second)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

struct Numbers<R> {
    next: u64,
    step: u64,
    end: u64,
    make: Make<R>,
    per_second: Option<f64>,
    clock: Arc<dyn Clock>,
    /// The number that was next when reading began, and the time then.
    started: Option<(u64, Timestamp)>,
}

impl<R> Numbers<R> {
    /// The number before which everything is due now.
    fn due(&mut self) -> u64 {
        let Some(per_second) = self.per_second else { return self.end };
        let now = self.clock.now();
        let (first, then) = *self.started.get_or_insert((self.next, now));
        let records = now.since_ms(then).max(0) as f64 * per_second / 1000.0;
        first.saturating_add(records as u64).saturating_add(1).min(self.end)
    }

    fn wait(&self) -> Duration {
        let step_ms = self.per_second.map_or(0.0, |rate| self.step as f64 * 1000.0 / rate);
        let wait_ms = (step_ms.ceil() as i64).clamp(1, LONGEST_WAIT_MS);
        Duration::from_millis(wait_ms.unsigned_abs())
    }
}

impl<R: Data> Reader for Numbers<R> {
    type Record = R;

    fn read(&mut self, batch: &mut ReadBatch<R>) -> Result<ReadStatus> {
        let due = self.due();
        while self.next < due && batch.records.len() < RECORDS_PER_BATCH {
            batch.records.push((self.next, (self.make)(self.next)));
            self.next += self.step;
        }
        batch.bytes += batch.records.len() * size_of::<R>();
        batch.next = encode_mark(&self.next)?;
        if self.next >= self.end {
            Ok(ReadStatus::End)
        } else if self.next < due {
            Ok(ReadStatus::More)
        } else {
            Ok(ReadStatus::Wait(self.wait()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waystream_engine::clock::ManualClock;

    fn all(generator: &mut Generator<u64>, index: u16, from: Option<&Position>) -> Vec<u64> {
        let partition = generator.partitions().unwrap().remove(usize::from(index));
        let mut reader = Source::open(generator, &partition, from).unwrap();
        let mut batch = ReadBatch::default();
        while reader.read(&mut batch).unwrap() != ReadStatus::End {}
        batch.records.into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn partitions_share_the_numbers() {
        let mut generator = Generator::new(3, |number| number * 2).count(8);
        assert_eq!(all(&mut generator, 0, None), [0, 3, 6]);
        assert_eq!(all(&mut generator, 1, None), [1, 4, 7]);
        assert_eq!(all(&mut generator, 2, None), [2, 5]);
        let position = Position(postcard::to_allocvec(&4u64).unwrap());
        assert_eq!(all(&mut generator, 1, Some(&position)), [4, 7]);
    }

    #[test]
    fn keeps_a_rate() {
        let clock = ManualClock::at(Timestamp(5));
        let mut generator =
            Generator::new(1, |number| number).per_second(100.0).clock(Arc::new(clock.clone()));
        let partition = generator.partitions().unwrap().remove(0);
        let mut reader = Source::open(&mut generator, &partition, None).unwrap();
        let mut numbers = Vec::new();
        for _ in 0..4 {
            let mut batch = ReadBatch::default();
            let status = reader.read(&mut batch).unwrap();
            assert_eq!(status, ReadStatus::Wait(Duration::from_millis(10)));
            numbers.push(batch.records.len());
            clock.advance_ms(20);
        }
        assert_eq!(numbers, [1, 2, 2, 2]);
    }
}
