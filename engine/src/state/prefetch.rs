//! Asks the processor to bring memory near before it is used. The only unsafe code of the engine.
#![allow(unsafe_code, reason = "prefetching has no safe form; it reads nothing and cannot fault")]

/// Bytes that the processor fetches at once.
const LINE_BYTES: usize = 64;
/// Lines of one value that are worth fetching: the processor follows on its own after that.
const LINES: usize = 4;

/// Starts fetching a value. Returns at once; does nothing where the processor has no such hint.
pub(super) fn prefetch<T>(value: &T) {
    let start = std::ptr::from_ref(value).cast::<i8>();
    for line in 0..size_of::<T>().div_ceil(LINE_BYTES).min(LINES) {
        let place = start.wrapping_add(line * LINE_BYTES);
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a prefetch is a hint that has no effect a program could see, whatever the
            // address; every x86-64 processor has it.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(place) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = place;
    }
}
