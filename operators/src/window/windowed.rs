//! A keyed stream cut into windows, before it is said what is made of them.

use super::assign::{FixedWindows, Session, WindowError};
use super::fixed::FixedFill;
use super::pane::Pane;
use super::session::SessionFill;
use crate::keyed::Keyed;
use crate::stream::Stream;
use std::fmt;
use std::time::Duration;
use waystream_engine::Port;
use waystream_engine::error::JobError;
use waystream_engine::event::Data;
use waystream_engine::key::Key;
use waystream_engine::operator::Operator;
use waystream_engine::spec::SinkSpec;
use waystream_engine::time::millis;

/// A keyed stream cut into windows `W`: [`Tumbling`](crate::Tumbling), [`Sliding`](crate::Sliding)
/// or [`Session`].
///
/// A window yields its [`Pane`] when the watermark of all senders has passed it, and another for
/// each event that still comes within the allowed lateness. The latest pane of a key and window
/// holds all that the earlier ones do. A window without events yields nothing. A pane bears the
/// event time of its window's last millisecond.
///
/// Whether an event is too late is judged against the watermark of its *own* partition, so it
/// follows from the input alone.
pub struct Windowed<K, T, W> {
    keyed: Keyed<K, T>,
    windows: W,
    lateness: Duration,
}

impl<K, T, W: fmt::Debug> fmt::Debug for Windowed<K, T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Windowed").field("windows", &self.windows).finish_non_exhaustive()
    }
}

impl<K: Key, T: Data> Keyed<K, T> {
    /// Cuts the stream into windows of event time: [`Tumbling`](crate::Tumbling),
    /// [`Sliding`](crate::Sliding) or [`Session`].
    ///
    /// ```
    /// use waystream_operators::{
    ///     EventTime, Flow, Pane, Sliding, TestJob, Timestamp, Unset, ms,
    /// };
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("clicks", Unset, EventTime::by(|at: &i64| Timestamp(*at)))
    ///         .key_by(|_| 1u8)
    ///         .window(Sliding::of(ms(20), ms(10)))
    ///         .allowed_lateness(ms(5))
    ///         .late("late", Unset)
    ///         .aggregate("counts", |count: &mut u64, _| *count += 1)
    ///         .sink("counts", Unset);
    /// }
    ///
    /// let outputs = TestJob::new(build).input("clicks", [1i64, 12, 60, 2]).run().unwrap();
    /// let counts: Vec<Pane<u8, u64>> = outputs.output("counts");
    /// let counts: Vec<_> = counts.iter().map(|pane| (pane.start.0, pane.value)).collect();
    /// assert_eq!(counts, [(-10, 1), (0, 2), (10, 1), (50, 1), (60, 1)]);
    /// assert_eq!(outputs.output::<i64>("late"), [2]);
    /// ```
    pub fn window<W>(self, windows: W) -> Windowed<K, T, W> {
        Windowed { keyed: self, windows, lateness: Duration::ZERO }
    }
}

impl<K: Key, T: Data, W> Windowed<K, T, W> {
    /// How long after its end a window still takes events; zero unless said.
    #[must_use]
    pub fn allowed_lateness(self, lateness: Duration) -> Self {
        Self { lateness, ..self }
    }

    /// Sends events that are too late for all of their windows to a named sink, beside counting
    /// them.
    #[must_use]
    pub fn late(self, name: &str, spec: impl SinkSpec<T>) -> Self {
        Self { keyed: self.keyed.late(name, spec), ..self }
    }

    /// Attaches an operator that fills windows, or refuses windows that cannot be.
    fn attach<P: Operator<K, T>>(
        self,
        name: &str,
        operator: Result<P, WindowError>,
    ) -> Stream<P::Output> {
        match operator {
            Ok(operator) => self.keyed.operator(name, operator),
            Err(error) => {
                let flow = self.keyed.flow;
                flow.refuse(JobError::from(error).at(format!("operator {name}")));
                Stream::new(flow, Port::default())
            }
        }
    }
}

impl<K: Key, T: Data, W: FixedWindows> Windowed<K, T, W> {
    /// Folds the events of each key and window, beginning with what `start` makes.
    pub(super) fn fill<A: Data>(
        self,
        name: &str,
        start: impl Fn() -> A + 'static,
        add: impl Fn(&mut A, &T) + 'static,
    ) -> Stream<Pane<K, A>> {
        let (windows, lateness_ms) = (self.windows.windows(), millis(self.lateness));
        let fill = windows.map(|windows| FixedFill { windows, lateness_ms, start, add });
        self.attach(name, fill)
    }
}

impl<K: Key, T: Data> Windowed<K, T, Session> {
    /// Folds the events of each key and session, beginning with what `start` makes; `merge` puts
    /// the later of two sessions that have become one into the earlier.
    pub(super) fn fill_sessions<A: Data>(
        self,
        name: &str,
        start: impl Fn() -> A + 'static,
        add: impl Fn(&mut A, &T) + 'static,
        merge: impl Fn(&mut A, A) + 'static,
    ) -> Stream<Pane<K, A>> {
        let fill = SessionFill::new(self.windows, self.lateness, start, add, merge);
        self.attach(name, fill)
    }
}
