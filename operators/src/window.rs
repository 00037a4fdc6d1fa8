//! Windows of event time, and one accumulator per key and window.

use crate::keyed::Keyed;
use crate::stream::Stream;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use waystream_engine::error::{JobError, Result};
use waystream_engine::event::{Data, Event};
use waystream_engine::key::{Key, PerWindow, spread_window};
use waystream_engine::operator::{Due, Operator, Scope};
use waystream_engine::spec::SinkSpec;
use waystream_engine::time::{Timestamp, millis};

/// Windows of one length, a new one every `slide`, aligned to 1970-01-01T00:00:00Z. A window holds
/// the times from its start up to, but not including, its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    size_ms: i64,
    slide_ms: i64,
}

/// Windows that follow each other without a gap.
#[derive(Clone, Copy, Debug)]
pub struct Tumbling;

impl Tumbling {
    /// Windows of this length.
    #[must_use]
    pub fn of(size: Duration) -> Windows {
        Windows { size_ms: millis(size), slide_ms: millis(size) }
    }
}

/// Windows that overlap.
#[derive(Clone, Copy, Debug)]
pub struct Sliding;

impl Sliding {
    /// Windows of length `size`, a new one every `slide`; `size` is a multiple of `slide`.
    #[must_use]
    pub fn of(size: Duration, slide: Duration) -> Windows {
        Windows { size_ms: millis(size), slide_ms: millis(slide) }
    }
}

impl Windows {
    fn check(self) -> Result<()> {
        let Self { size_ms, slide_ms } = self;
        if slide_ms <= 0 || size_ms < slide_ms || size_ms % slide_ms != 0 {
            let what = format!("windows of {size_ms} ms every {slide_ms} ms");
            return Err(JobError::configuration(what)
                .hint("both are longer than nothing, and the length is a multiple of the slide"));
        }
        Ok(())
    }

    /// Starts of the windows that hold a time, latest first.
    fn starts(self, time_ms: i64) -> impl Iterator<Item = i64> {
        let last = time_ms.div_euclid(self.slide_ms).saturating_mul(self.slide_ms);
        (0..self.size_ms / self.slide_ms).map(move |i| last.saturating_sub(i * self.slide_ms))
    }
}

/// The result of one key and window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pane<K, A> {
    /// The key.
    pub key: K,
    /// Start of the window.
    pub start: Timestamp,
    /// End of the window, not in it.
    pub end: Timestamp,
    /// What was accumulated.
    pub value: A,
}

/// Attaches the sink for late events once their port is known.
type LateSink<T> = Box<dyn FnOnce(&crate::Flow, &waystream_engine::Port<T>)>;

/// A keyed stream cut into windows.
pub struct Windowed<K, T> {
    keyed: Keyed<K, T>,
    windows: Windows,
    allowed_lateness_ms: i64,
    late: Option<LateSink<T>>,
}

impl<K, T> std::fmt::Debug for Windowed<K, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Windowed").field("windows", &self.windows).finish_non_exhaustive()
    }
}

impl<K: Key, T: Data> Keyed<K, T> {
    /// Cuts the stream into windows of event time.
    pub fn window(self, windows: Windows) -> Windowed<K, T> {
        Windowed { keyed: self, windows, allowed_lateness_ms: 0, late: None }
    }
}

impl<K: Key, T: Data> Windowed<K, T> {
    /// How long after its end a window still takes events: each puts out the pane again. Judged
    /// against the watermark of the event's own partition.
    #[must_use]
    pub fn allowed_lateness(mut self, lateness: Duration) -> Self {
        self.allowed_lateness_ms = millis(lateness);
        self
    }

    /// Sends events that are too late for all of their windows to a named sink.
    #[must_use]
    pub fn late(mut self, name: &str, spec: impl SinkSpec<T> + 'static) -> Self {
        let name = name.to_owned();
        self.late = Some(Box::new(move |flow, port| flow.sink(&name, port, spec)));
        self
    }

    /// Folds the events of each key and window into an accumulator. Its [`Pane`] comes out when
    /// the watermark reaches the window's end.
    ///
    /// ```
    /// use waystream_operators::{EventTime, Flow, Pane, TestJob, Timestamp, Tumbling, Unset, ms};
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("clicks", Unset, EventTime::by(|click: &(u8, i64)| Timestamp(click.1)))
    ///         .key_by(|click| click.0)
    ///         .window(Tumbling::of(ms(10)))
    ///         .aggregate("clicks", |count: &mut u64, _| *count += 1)
    ///         .sink("counts", Unset);
    /// }
    ///
    /// let counts = TestJob::new(build).input("clicks", [(1u8, 1i64), (1, 9), (1, 10)]).run().unwrap();
    /// let counts: Vec<Pane<u8, u64>> = counts.output("counts");
    /// assert_eq!(counts.iter().map(|p| (p.start.0, p.value)).collect::<Vec<_>>(), [(0, 2), (10, 1)]);
    /// ```
    pub fn aggregate<A: Data + Default>(
        self,
        name: &str,
        add: impl Fn(&mut A, &T) + 'static,
    ) -> Stream<Pane<K, A>> {
        let flow = self.keyed.flow.clone();
        let mut windows = self.windows;
        if let Err(error) = windows.check() {
            flow.refuse(error.at(format!("operator {name}")));
            windows = Windows { size_ms: 1, slide_ms: 1 };
        }
        let allowed_ms = self.allowed_lateness_ms;
        let aggregate = Aggregate { windows, allowed_ms, add, _types: std::marker::PhantomData };
        let outputs = self.keyed.attach(name, aggregate);
        if let Some(late) = self.late {
            late(&flow, &outputs.late);
        }
        Stream::new(flow, outputs.out)
    }
}

struct Aggregate<F, A> {
    windows: Windows,
    allowed_ms: i64,
    add: F,
    _types: std::marker::PhantomData<fn() -> A>,
}

/// An accumulator, and whether its pane has come out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Accumulated<A> {
    value: A,
    fired: bool,
}

impl<K, T, A, F> Operator<K, T> for Aggregate<F, A>
where
    K: Key,
    T: Data,
    A: Data + Default,
    F: Fn(&mut A, &T) + 'static,
{
    type Address = PerWindow<K>;
    type State = Accumulated<A>;
    type Output = Pane<K, A>;

    fn schema(&self) -> String {
        let Windows { size_ms, slide_ms } = self.windows;
        format!("window v1 {size_ms} ms every {slide_ms} ms")
    }

    fn first_touched(&self, key_hash: u64, event: &Event<T>) -> u64 {
        let slide_ms = self.windows.slide_ms;
        spread_window(key_hash, event.time.0.div_euclid(slide_ms).saturating_mul(slide_ms))
    }

    fn on_event(
        &mut self,
        key: K,
        event: Event<T>,
        scope: &mut Scope<'_, PerWindow<K>, Accumulated<A>, Pane<K, A>, T>,
    ) -> Result<()> {
        let mut taken = false;
        for start_ms in self.windows.starts(event.time.0) {
            let end_ms = start_ms.saturating_add(self.windows.size_ms);
            if end_ms.saturating_add(self.allowed_ms) <= event.watermark.0 {
                continue;
            }
            taken = true;
            let address = PerWindow { key: key.clone(), start_ms };
            let slot = scope.slot(address, Accumulated::default)?;
            let state = scope.state(slot)?;
            (self.add)(&mut state.value, &event.value);
            if state.fired {
                let value = state.value.clone();
                let (start, end) = (Timestamp(start_ms), Timestamp(end_ms));
                scope.emit(event.with(Pane { key: key.clone(), start, end, value }));
            } else {
                scope.wake_at(slot, Some(Timestamp(end_ms)))?;
            }
        }
        if !taken {
            scope.late(event);
        }
        Ok(())
    }

    fn on_timer(
        &mut self,
        slot: u32,
        _due: Due,
        scope: &mut Scope<'_, PerWindow<K>, Accumulated<A>, Pane<K, A>, T>,
    ) -> Result<()> {
        let Some(entry) = scope.table.get(slot) else { return Ok(()) };
        let (fired, start_ms) = (entry.state.fired, entry.address.start_ms);
        let end_ms = start_ms.saturating_add(self.windows.size_ms);
        let gone = Timestamp(end_ms.saturating_add(self.allowed_ms));
        if !fired {
            let (key, value) = (entry.address.key.clone(), entry.state.value.clone());
            let (start, end) = (Timestamp(start_ms), Timestamp(end_ms));
            let last = Timestamp(end_ms.saturating_sub(1));
            scope.emit_at(last, Pane { key, start, end, value });
        }
        if gone <= scope.watermark {
            scope.table.remove(slot)?;
            return Ok(());
        }
        scope.state(slot)?.fired = true;
        scope.wake_at(slot, Some(gone))
    }
}

#[cfg(test)]
mod tests {
    use crate::{EventTime, Flow, Pane, Sliding, TestJob, Timestamp, Unset, ms};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn job(flow: &Flow) {
        let event_time = EventTime::by(|at: &i64| Timestamp(*at)).out_of_order(ms(10));
        flow.source("times", Unset, event_time)
            .key_by(|at| (*at % 3) as u8)
            .window(Sliding::of(ms(20), ms(10)))
            .allowed_lateness(ms(15))
            .late("late", Unset)
            .aggregate("count", |count: &mut u64, _| *count += 1)
            .sink("counts", Unset);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// The last pane of every window, against counting the whole list; late is what its own
        /// partition had passed.
        #[test]
        fn count_what_counting_the_list_gives(times in proptest::collection::vec(0i64..200, 1..80)) {
            let outputs = TestJob::new(job).input("times", times.clone()).run().unwrap();
            let (mut naive, mut late, mut watermark) = (BTreeMap::new(), vec![], i64::MIN);
            for at in times {
                let starts = [at.div_euclid(10) * 10, at.div_euclid(10) * 10 - 10];
                let open: Vec<_> = starts.into_iter().filter(|start| start + 20 + 15 > watermark).collect();
                for start in &open {
                    *naive.entry(((at % 3) as u8, *start)).or_insert(0u64) += 1;
                }
                if open.is_empty() {
                    late.push(at);
                }
                watermark = watermark.max(at - 10);
            }
            let panes: Vec<Pane<u8, u64>> = outputs.output("counts");
            let last: BTreeMap<_, _> = panes.iter().map(|pane| ((pane.key, pane.start.0), pane.value)).collect();
            prop_assert_eq!(last, naive);
            prop_assert_eq!(outputs.output::<i64>("late"), late);
        }
    }
}
