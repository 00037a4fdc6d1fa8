//! Encoded bytes in buffers of a megabyte that are used again and again.
//!
//! Memory that is new to a process costs a fault for each of its pages, which can take longer than
//! filling it, and a buffer that doubles is copied each time. Both would stop a worker.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Bytes at which a buffer is full.
const FULL_BYTES: usize = 1 << 20;
/// Bytes a full buffer may be long: what was put in last may go beyond.
const ROOM_BYTES: usize = FULL_BYTES + FULL_BYTES / 8;
/// Buffers kept for later: 144 MiB. More go back to the system, as do small and huge ones.
const KEPT: usize = 128;

static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A buffer whose memory is kept for the next one when it is dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    /// The buffer for the next bytes: the last of these, or a new one once that is full.
    pub(crate) fn open(buffers: &mut Vec<Self>) -> &mut Self {
        if buffers.last().is_none_or(Self::is_full) {
            let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
            // A first buffer grows with what there is; a second one shows that there is much.
            let room = if buffers.is_empty() { 0 } else { ROOM_BYTES };
            buffers.push(Self(spare.unwrap_or_else(|| Vec::with_capacity(room))));
        }
        let last = buffers.len() - 1;
        &mut buffers[last]
    }

    /// Whether no more should be put in.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= FULL_BYTES
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0);
        if (FULL_BYTES..=ROOM_BYTES).contains(&bytes.capacity()) {
            let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
            if spare.len() < KEPT {
                bytes.clear();
                spare.push(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_buffer_is_followed_by_another_and_comes_back_empty() {
        let mut buffers = Vec::new();
        for byte in 0..40u8 {
            Buffer::open(&mut buffers).extend_from_slice(&[byte; FULL_BYTES / 16]);
        }
        assert_eq!(
            buffers.iter().map(|buffer| buffer.len()).collect::<Vec<_>>(),
            [FULL_BYTES, FULL_BYTES, FULL_BYTES / 2]
        );
        assert_eq!((buffers[1][0], buffers[2][0]), (16, 32));
        drop(buffers);
        let mut again = Vec::new();
        assert!(Buffer::open(&mut again).is_empty());
    }
}
