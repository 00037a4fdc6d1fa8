//! Replay at a multiple of event time: a record is due when as much time has passed since the
//! first one as lies between them, divided by the speed.

use super::pull::{BYTES_PER_BATCH, Pull, Pulled, RECORDS_PER_BATCH};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use waystream_engine::clock::Clock;
use waystream_engine::error::{JobError, Result};
use waystream_engine::source::{Position, ReadBatch, ReadStatus, Reader};
use waystream_engine::time::Timestamp;

/// The longest a reader asks to be left alone, so that a moved clock is noticed.
const LONGEST_WAIT_MS: i64 = 100;

/// The event time that replay started at, and the time it was then.
#[derive(Clone, Copy, Debug)]
struct Start {
    event: Timestamp,
    now: Timestamp,
}

/// The pace that all partitions of a source share.
pub(crate) struct Pace<R> {
    speed: f64,
    time_of: fn(&R) -> Timestamp,
    clock: Arc<dyn Clock>,
    start: Arc<Mutex<Option<Start>>>,
}

impl<R> Clone for Pace<R> {
    fn clone(&self) -> Self {
        let (clock, start) = (self.clock.clone(), self.start.clone());
        Self { speed: self.speed, time_of: self.time_of, clock, start }
    }
}

impl<R> Pace<R> {
    pub(crate) fn new(speed: f64, time_of: fn(&R) -> Timestamp, clock: Arc<dyn Clock>) -> Self {
        Self { speed, time_of, clock, start: Arc::default() }
    }

    /// Starts the replay at the first record of a partition, or earlier if it is earlier.
    fn start_at(&self, event: Timestamp) {
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        if start.is_none_or(|start| event < start.event) {
            *start = Some(Start { event, now: self.clock.now() });
        }
    }

    /// Milliseconds until a record of this event time is due; zero or less if it is.
    fn due_in_ms(&self, event: Timestamp) -> i64 {
        let start = *self.start.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(start) = start else { return 0 };
        let at_ms = (event.since_ms(start.event) as f64 / self.speed) as i64;
        at_ms.saturating_sub(self.clock.now().since_ms(start.now))
    }
}

/// Reads a speed: `60x`, or `None` for `max`.
pub(crate) fn parse_speed(text: &str) -> Result<Option<f64>> {
    if text == "max" {
        return Ok(None);
    }
    match text.strip_suffix('x').unwrap_or(text).parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed > 0.0 => Ok(Some(speed)),
        _ => Err(JobError::configuration(format!("`speed={text}` is no speed"))
            .hint("write a multiple of real time, as in speed=60x, or speed=max")),
    }
}

/// Reads a partition at a pace. The first record that is not due yet is kept in hand.
pub(crate) struct Paced<P: Pull> {
    pull: P,
    pace: Pace<P::Record>,
    held: Option<(u64, P::Record)>,
    /// Where to go on before the record in hand.
    before: Position,
    started: bool,
    bytes: u64,
}

impl<P: Pull> Paced<P> {
    pub(crate) fn new(pull: P, pace: Pace<P::Record>) -> Self {
        let before = Position::default();
        Self { pull, pace, held: None, before, started: false, bytes: 0 }
    }

    /// Milliseconds until this record is due, if it is not.
    fn not_due(&mut self, record: &P::Record) -> Option<i64> {
        let time = (self.pace.time_of)(record);
        if !self.started {
            self.started = true;
            self.pace.start_at(time);
        }
        Some(self.pace.due_in_ms(time)).filter(|left_ms| *left_ms > 0)
    }

    fn take(&mut self, batch: &mut ReadBatch<P::Record>) -> Result<ReadStatus> {
        let wait = |left_ms: i64| {
            let left_ms = left_ms.min(LONGEST_WAIT_MS);
            ReadStatus::Wait(Duration::from_millis(left_ms.unsigned_abs()))
        };
        if let Some((position, record)) = self.held.take() {
            if let Some(left_ms) = self.not_due(&record) {
                self.held = Some((position, record));
                return Ok(wait(left_ms));
            }
            batch.records.push((position, record));
        }
        for _ in 0..RECORDS_PER_BATCH {
            if self.pull.bytes() - self.bytes >= BYTES_PER_BATCH {
                break;
            }
            let before = self.pull.position()?;
            match self.pull.pull()? {
                Pulled::End => return Ok(ReadStatus::End),
                Pulled::Reject(reject) => batch.rejects.push(reject),
                Pulled::Record(position, record) => {
                    if let Some(left_ms) = self.not_due(&record) {
                        self.held = Some((position, record));
                        self.before = before;
                        return Ok(wait(left_ms));
                    }
                    batch.records.push((position, record));
                }
            }
        }
        Ok(ReadStatus::More)
    }
}

impl<P: Pull> Reader for Paced<P> {
    type Record = P::Record;

    fn read(&mut self, batch: &mut ReadBatch<P::Record>) -> Result<ReadStatus> {
        let status = self.take(batch)?;
        batch.next = match self.held {
            Some(_) => self.before.clone(),
            None => self.pull.position()?,
        };
        let bytes = self.pull.bytes();
        batch.bytes += (bytes - self.bytes) as usize;
        self.bytes = bytes;
        Ok(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waystream_engine::clock::ManualClock;

    /// Yields its times in order; the position is how many were taken.
    struct Times(Vec<i64>, usize);

    impl Pull for Times {
        type Record = i64;

        fn pull(&mut self) -> Result<Pulled<i64>> {
            let Some(time) = self.0.get(self.1) else { return Ok(Pulled::End) };
            self.1 += 1;
            Ok(Pulled::Record(self.1 as u64, *time))
        }

        fn position(&self) -> Result<Position> {
            Ok(Position(vec![self.1 as u8]))
        }

        fn bytes(&self) -> u64 {
            self.1 as u64
        }
    }

    fn read(reader: &mut Paced<Times>) -> (Vec<i64>, u8, ReadStatus) {
        let mut batch = ReadBatch::default();
        let status = reader.read(&mut batch).unwrap();
        (batch.records.into_iter().map(|(_, time)| time).collect(), batch.next.0[0], status)
    }

    #[test]
    fn records_come_when_they_are_due() {
        let clock = ManualClock::at(Timestamp(1_000_000));
        let pace = Pace::new(10.0, |time: &i64| Timestamp(*time), Arc::new(clock.clone()));
        let wait = |ms| ReadStatus::Wait(Duration::from_millis(ms));
        let mut reader = Paced::new(Times(vec![0, 0, 500, 600, 90_000], 0), pace);
        assert_eq!(read(&mut reader), (vec![0, 0], 2, wait(50)));
        clock.advance_ms(49);
        assert_eq!(read(&mut reader), (vec![], 2, wait(1)));
        clock.advance_ms(11);
        assert_eq!(read(&mut reader), (vec![500, 600], 4, wait(100)));
        clock.advance_ms(10_000);
        assert_eq!(read(&mut reader), (vec![90_000], 5, ReadStatus::End));
    }

    #[test]
    fn speeds() {
        for (text, speed) in [("60x", Some(Some(60.0))), ("0.5", Some(Some(0.5)))] {
            assert_eq!(parse_speed(text).ok(), speed);
        }
        assert_eq!(parse_speed("max").ok(), Some(None));
        for text in ["", "x", "-1x", "0", "infx", "NaN"] {
            assert!(parse_speed(text).is_err(), "{text}");
        }
    }
}
