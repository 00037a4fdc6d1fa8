//! Shows what comes out of a stream to whoever looks, as it happens.

use crate::stream::Stream;
use waystream_engine::error::JobError;
use waystream_engine::event::Data;
use waystream_engine::sketch::EndKind;

/// What a record means for a keyed view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The row of this key is now this record.
    Row(String),
    /// The row of this key is gone.
    Gone(String),
}

impl<T: Data> Stream<T> {
    /// Shows the stream as a table by key. Changes are shown at once, before their epoch is
    /// committed. Costs nothing when the deployment shows no views.
    ///
    /// **After a restart** a table behind [`live`](crate::Keyed::live) holds the state of every key
    /// as of the checkpoint, before any event is read; for that, the functions between them are
    /// called again. Other tables fill as keys change, as what was emitted is not kept.
    ///
    /// ```
    /// use waystream_operators::{EventTime, Flow, Shown, TestJob, Timestamp, Unset};
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("scores", Unset, EventTime::by(|score: &(u32, i64)| Timestamp(score.1)))
    ///         .view("scores", |score| Shown::Row(score.0.to_string()));
    /// }
    ///
    /// let outputs = TestJob::new(build).input("scores", [(7u32, 0i64), (7, 4)]).run().unwrap();
    /// assert_eq!(outputs.view("scores")["7"], "[7,4]");
    /// ```
    pub fn view(self, name: &str, shown: impl Fn(&T) -> Shown + 'static) {
        self.flow().plan().end(EndKind::View, name, self.port());
        let Some(views) = self.flow().views() else { return };
        self.flow().plan().shown(self.port());
        let name = name.to_owned();
        self.port().attach(move |_, batch| {
            let mut changes = Vec::with_capacity(batch.len());
            for event in &batch {
                changes.push(match shown(&event.value) {
                    Shown::Row(key) => (key, Some(json(&name, &event.value)?)),
                    Shown::Gone(key) => (key, None),
                });
            }
            views.apply(&name, changes);
            Ok(())
        });
    }

    /// Shows the latest records of the stream, newest last. After a restart the list begins empty.
    ///
    /// ```
    /// use waystream_operators::{EventTime, Flow, TestJob, Timestamp, Unset};
    ///
    /// fn build(flow: &Flow) {
    ///     flow.source("goals", Unset, EventTime::by(|goal: &(String, i64)| Timestamp(goal.1)))
    ///         .ticker("goals");
    /// }
    ///
    /// let goals = [("red".to_owned(), 0i64), ("blue".to_owned(), 4)];
    /// let outputs = TestJob::new(build).input("goals", goals).run().unwrap();
    /// assert_eq!(outputs.ticker("goals"), [r#"["red",0]"#, r#"["blue",4]"#]);
    /// ```
    pub fn ticker(self, name: &str) {
        self.flow().plan().end(EndKind::View, name, self.port());
        let Some(views) = self.flow().views() else { return };
        let name = name.to_owned();
        self.port().attach_fresh(move |_, batch| {
            let rows: Result<Vec<String>, JobError> =
                batch.iter().map(|event| json(&name, &event.value)).collect();
            views.append(&name, rows?);
            Ok(())
        });
    }
}

fn json<T: serde::Serialize>(view: &str, row: &T) -> Result<String, JobError> {
    serde_json::to_string(row).map_err(|error| {
        JobError::failed(format!("a row of view `{view}` cannot be written as JSON"))
            .caused_by(error)
    })
}

#[cfg(test)]
mod tests;
