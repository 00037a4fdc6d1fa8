//! Work beside the workers: reading, writing checkpoints, committing sinks. Each task has a
//! bounded channel; it runs on a thread of its own, or is stepped by a simulation.

use crate::error::{JobError, Result};
use crate::failure::Failure;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;

/// What a producer had to say this time.
#[derive(Debug)]
pub(crate) enum Produced<T> {
    /// An item; ask again.
    Item(T),
    /// Nothing for about this long.
    Quiet(Duration),
    /// The last item.
    Last(T),
}

/// A task that a simulation steps: runs once, and says whether it did anything.
pub(crate) type SteppedTask = Box<dyn FnMut() -> bool + Send>;

/// Tasks waiting to be stepped.
pub(crate) type SteppedTasks = Arc<Mutex<Vec<(String, SteppedTask)>>>;

/// Starts tasks for one worker.
#[derive(Clone)]
pub(crate) struct Background {
    mode: Mode,
    failure: Failure,
    stopped: Arc<AtomicBool>,
}

#[derive(Clone)]
enum Mode {
    Threads { worker: Thread },
    Stepped(SteppedTasks),
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Background")
    }
}

/// The receiving end of a task's channel.
#[derive(Debug)]
pub(crate) struct Inbox<T>(Receiver<T>);

impl<T> Inbox<T> {
    pub(crate) fn try_take(&self) -> Option<T> {
        self.0.try_recv().ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the task has to wait.
    pub(crate) fn is_full(&self) -> bool {
        self.0.is_full()
    }
}

/// The sending end of a task's channel. Never blocks: its bound is larger than what can be owed.
#[derive(Debug)]
pub(crate) struct Outbox<M>(Sender<M>);

impl<M> Clone for Outbox<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M> Outbox<M> {
    /// Hands a message over; gives it back if the task cannot take more now.
    pub(crate) fn offer(&self, message: M) -> Option<M> {
        match self.0.try_send(message) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => None,
            Err(TrySendError::Full(message)) => Some(message),
        }
    }
}

impl Background {
    /// Tasks on threads; each wakes this thread when it has said something.
    pub(crate) fn threads(failure: Failure) -> Self {
        Self {
            mode: Mode::Threads { worker: std::thread::current() },
            failure,
            stopped: Arc::default(),
        }
    }

    /// Tasks that a simulation steps.
    pub(crate) fn stepped(tasks: SteppedTasks, failure: Failure) -> Self {
        Self { mode: Mode::Stepped(tasks), failure, stopped: Arc::default() }
    }

    /// Lets producers end when they are quiet.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// A channel back to the worker; sending wakes it.
    pub(crate) fn replies<T>(&self, bound: usize) -> (Reply<T>, Inbox<T>) {
        let (sender, receiver) = bounded(bound);
        let worker = match &self.mode {
            Mode::Threads { worker } => Some(worker.clone()),
            Mode::Stepped(_) => None,
        };
        (Reply { sender, worker }, Inbox(receiver))
    }

    /// A task that makes items until it is told to stop by the inbox going away. It waits while
    /// `bound` items are untaken.
    pub(crate) fn produce<T: Send + 'static>(
        &self,
        name: &str,
        bound: usize,
        mut next: impl FnMut() -> Produced<T> + Send + 'static,
    ) -> Inbox<T> {
        let (reply, inbox) = self.replies(bound);
        let mut ended = false;
        match &self.mode {
            Mode::Threads { .. } => {
                let stopped = Arc::clone(&self.stopped);
                self.spawn(name, move || {
                    let mut wanted = true;
                    while wanted && !stopped.load(Ordering::Relaxed) {
                        match next() {
                            Produced::Item(item) => wanted = reply.send(item),
                            Produced::Quiet(wait) => std::thread::park_timeout(wait),
                            Produced::Last(item) => {
                                reply.send(item);
                                return;
                            }
                        }
                    }
                });
            }
            Mode::Stepped(tasks) => push(tasks, name, move || {
                if ended || reply.sender.is_full() {
                    return false;
                }
                match next() {
                    Produced::Item(item) => reply.send(item),
                    Produced::Last(item) => {
                        ended = true;
                        reply.send(item)
                    }
                    Produced::Quiet(_) => false,
                }
            }),
        }
        inbox
    }

    /// A task that handles messages one by one; an error stops the job.
    pub(crate) fn handle<M: Send + 'static>(
        &self,
        name: &str,
        bound: usize,
        mut handle: impl FnMut(M) -> Result<()> + Send + 'static,
    ) -> Outbox<M> {
        let (sender, receiver) = bounded::<M>(bound);
        let failure = self.failure.clone();
        let mut step = move |message| match handle(message) {
            Ok(()) => true,
            Err(error) => {
                failure.set(error);
                false
            }
        };
        match &self.mode {
            Mode::Threads { worker } => {
                let worker = worker.clone();
                self.spawn(name, move || {
                    while let Ok(message) = receiver.recv() {
                        let ok = step(message);
                        worker.unpark();
                        if !ok {
                            return;
                        }
                    }
                });
            }
            Mode::Stepped(tasks) => {
                let mut failed = false;
                push(tasks, name, move || {
                    if failed {
                        return false;
                    }
                    let Ok(message) = receiver.try_recv() else { return false };
                    failed = !step(message);
                    true
                });
            }
        }
        Outbox(sender)
    }

    fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) {
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        if let Err(error) = spawned {
            let what = format!("cannot start the thread `{name}`");
            let hint = "allow more threads (ulimit -u) or use fewer workers, and run the job again; \
                        it goes on where it stopped";
            self.failure.set(JobError::unavailable(what).hint(hint).caused_by(error));
        }
    }
}

fn push(tasks: &SteppedTasks, name: &str, task: impl FnMut() -> bool + Send + 'static) {
    let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
    tasks.push((name.to_owned(), Box::new(task)));
}

/// Sends to a worker and wakes it.
#[derive(Debug)]
pub(crate) struct Reply<T> {
    sender: Sender<T>,
    worker: Option<Thread>,
}

impl<T> Clone for Reply<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), worker: self.worker.clone() }
    }
}

impl<T> Reply<T> {
    /// Sends; waits while the inbox is full, gives up when it is gone.
    /// Returns whether it was delivered.
    pub(crate) fn send(&self, item: T) -> bool {
        let sent = self.sender.send(item).is_ok();
        if let Some(worker) = self.worker.as_ref().filter(|_| sent) {
            worker.unpark();
        }
        sent
    }
}
