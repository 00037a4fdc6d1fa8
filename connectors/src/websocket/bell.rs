//! A bell wakes one session: many rings before it looks are one.

use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Wakes one session, once, however often it is rung before it looks.
#[derive(Debug, Default)]
pub(super) struct Bell {
    ringing: AtomicBool,
    notify: Notify,
}

impl Bell {
    /// Wakes the session unless it is already awake.
    pub(super) fn ring(&self) {
        if !self.ringing.swap(true, Ordering::AcqRel) {
            self.notify.notify_one();
        }
    }

    /// Waits for the next ring. Rings that come before [`Self::listen`] are one.
    pub(super) async fn rung(&self) {
        self.notify.notified().await;
    }

    /// Says that everything up to now is about to be looked at.
    pub(super) fn listen(&self) {
        self.ringing.store(false, Ordering::Release);
    }
}
