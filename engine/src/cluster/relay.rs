//! Rows that a process shows and that are looked at in process 0: a queue that one thread sends on.

use crate::error::Result;
use crate::failure::Failure;
use crate::spec::Views;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Batches that may wait to be sent. Whoever shows more waits: the worker, until process 0 has
/// taken some, which it does unless it is lost.
const WAITING: usize = 64;
/// How often it is looked whether the job has failed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Rows for a view.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ShownRows {
    /// Rows of a keyed view that are set, or removed.
    Apply(String, Vec<(String, Option<String>)>),
    /// Rows for a view that shows the latest.
    Append(String, Vec<String>),
}

impl ShownRows {
    pub(super) fn show(self, views: &dyn Views) {
        match self {
            Self::Apply(view, changes) => views.apply(&view, changes),
            Self::Append(view, rows) => views.append(&view, rows),
        }
    }
}

#[derive(Debug)]
enum Item {
    Rows(ShownRows),
    /// Says when everything before it has been sent.
    Flush(Sender<()>),
}

/// Where rows are shown that leave this process. Clones share the queue.
#[derive(Clone)]
pub struct ViewRelay {
    sender: Sender<Item>,
    receiver: Receiver<Item>,
}

impl fmt::Debug for ViewRelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewRelay").field("waiting", &self.receiver.len()).finish()
    }
}

impl Default for ViewRelay {
    fn default() -> Self {
        let (sender, receiver) = bounded(WAITING);
        Self { sender, receiver }
    }
}

impl Views for ViewRelay {
    fn apply(&self, view: &str, changes: Vec<(String, Option<String>)>) {
        let _ = self.sender.send(Item::Rows(ShownRows::Apply(view.to_owned(), changes)));
    }

    fn append(&self, view: &str, rows: Vec<String>) {
        let _ = self.sender.send(Item::Rows(ShownRows::Append(view.to_owned(), rows)));
    }
}

impl ViewRelay {
    /// Sends what comes, for as long as the process lives. After a failure rows are taken and
    /// dropped, so that nobody waits for room.
    pub(super) fn pass_on(&self, failure: &Failure, send: impl Fn(ShownRows) -> Result<()>) {
        while let Ok(item) = self.receiver.recv() {
            match item {
                Item::Rows(rows) if !failure.is_set() => {
                    if let Err(error) = send(rows) {
                        failure.set(error);
                    }
                }
                Item::Rows(_) => {}
                Item::Flush(done) => drop(done.send(())),
            }
        }
    }

    /// Waits until everything that was shown has been sent.
    pub(super) fn flush(&self, failure: &Failure) {
        let (done, is_done) = bounded(1);
        let _ = self.sender.send(Item::Flush(done));
        while is_done.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout)
            && !failure.is_set()
        {}
    }
}
