//! What a connector of bounded input writes: one record at a time, and where it stands.

use super::Pace;
use crate::source::pace::Paced;
use waystream_engine::error::Result;
use waystream_engine::source::{Position, ReadBatch, ReadStatus, Reader, Reject};

/// Records handed over at once.
pub(crate) const RECORDS_PER_BATCH: usize = 1024;

/// Bytes of input after which a batch is handed over, however few its records are.
pub(crate) const BYTES_PER_BATCH: u64 = 1 << 20;

/// What comes next in a partition.
pub(crate) enum Pulled<R> {
    /// A record and its position.
    Record(u64, R),
    /// A record that cannot be taken.
    Reject(Reject),
    /// Nothing; the partition has ended.
    End,
}

/// A partition read record by record.
pub(crate) trait Pull: Send {
    /// What it yields.
    type Record: Send;

    /// Takes what comes next.
    fn pull(&mut self) -> Result<Pulled<Self::Record>>;

    /// Where to go on after what was taken last.
    fn position(&self) -> Result<Position>;

    /// Bytes of input taken so far.
    fn bytes(&self) -> u64;
}

/// The reader of a partition: as fast as it goes, or at a pace.
pub(crate) fn reader<P: Pull + 'static>(
    pull: P,
    pace: Option<Pace<P::Record>>,
) -> Box<dyn Reader<Record = P::Record>> {
    match pace {
        None => Box::new(Batched { pull, bytes: 0 }),
        Some(pace) => Box::new(Paced::new(pull, pace)),
    }
}

struct Batched<P> {
    pull: P,
    bytes: u64,
}

impl<P: Pull> Reader for Batched<P> {
    type Record = P::Record;

    fn read(&mut self, batch: &mut ReadBatch<P::Record>) -> Result<ReadStatus> {
        batch.records.reserve(RECORDS_PER_BATCH);
        let mut status = ReadStatus::More;
        for _ in 0..RECORDS_PER_BATCH {
            if self.pull.bytes() - self.bytes >= BYTES_PER_BATCH {
                break;
            }
            match self.pull.pull()? {
                Pulled::Record(position, record) => batch.records.push((position, record)),
                Pulled::Reject(reject) => batch.rejects.push(reject),
                Pulled::End => {
                    status = ReadStatus::End;
                    break;
                }
            }
        }
        batch.next = self.pull.position()?;
        let bytes = self.pull.bytes();
        batch.bytes += (bytes - self.bytes) as usize;
        self.bytes = bytes;
        Ok(status)
    }
}

impl<P: Pull + ?Sized> Pull for Box<P> {
    type Record = P::Record;

    fn pull(&mut self) -> Result<Pulled<P::Record>> {
        (**self).pull()
    }

    fn position(&self) -> Result<Position> {
        (**self).position()
    }

    fn bytes(&self) -> u64 {
        (**self).bytes()
    }
}
