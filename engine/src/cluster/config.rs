//! How a process takes part in a job of several.

use super::relay::ViewRelay;
use super::secret::Secret;
use crate::error::{JobError, Result};
use crate::spec::Views;
use std::fmt;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One process of a job, as it is started.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its index; process 0 leads.
    pub index: usize,
    /// `HOST:PORT` of every process, by index. All must be given the same.
    pub hosts: Vec<String>,
    /// What all prove to each other to have.
    pub secret: Secret,
    /// Version and contents of the program, which must be the same in all.
    pub build: String,
    /// What else must be the same in all, in one text: places, settings, options.
    pub options: String,
    /// Names one start of all processes, where somebody starts them together.
    pub run: String,
    /// A process without a sign of life for this long is lost.
    pub peer_timeout: Duration,
    /// How long to wait for the others at the start.
    pub gather_for: Duration,
}

/// A process of a job with the socket that others reach it by.
pub struct Cluster {
    pub(super) member: Member,
    listener: Mutex<Option<TcpListener>>,
    /// Where the rows of others go, on process 0.
    pub(super) views: Option<Arc<dyn Views>>,
    /// Where rows to be shown leave the others.
    pub(super) relay: ViewRelay,
    /// Told once the job has been taken over, before anything is read.
    pub(super) begun: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("member", &self.member).finish_non_exhaustive()
    }
}

impl Cluster {
    /// A process that is reached by this socket.
    ///
    /// # Errors
    /// If its index is not that of a host.
    pub fn new(member: Member, listener: TcpListener) -> Result<Self> {
        if member.index >= member.hosts.len() {
            let (index, hosts) = (member.index, member.hosts.len());
            let what = format!("there is no process {index} among {hosts}");
            return Err(JobError::configuration(what).hint("processes are counted from 0"));
        }
        let (listener, relay) = (Mutex::new(Some(listener)), ViewRelay::default());
        Ok(Self { member, listener, views: None, relay, begun: Box::new(|| {}) })
    }

    /// Has rows that other processes show put here.
    #[must_use]
    pub fn showing(self, views: Option<Arc<dyn Views>>) -> Self {
        Self { views, ..self }
    }

    /// Has this called once the job has been taken over, before anything is read.
    #[must_use]
    pub fn when_begun(self, begun: impl Fn() + Send + Sync + 'static) -> Self {
        Self { begun: Box::new(begun), ..self }
    }

    /// Where this process shows rows if it is not process 0: they are sent there.
    #[must_use]
    pub fn relay(&self) -> ViewRelay {
        self.relay.clone()
    }

    /// Whether this process leads.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.member.index == 0
    }

    pub(super) fn take_listener(&self) -> Option<TcpListener> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
