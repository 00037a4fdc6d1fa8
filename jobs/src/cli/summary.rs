//! What a run says while it works and when it is done.

use super::config::Form;
use super::report::{answer, as_json, is_screen, say};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;
use waystream_engine::error::JobError;
use waystream_engine::job::Outcome;
use waystream_engine::metrics::Metrics;

/// How often a line of JSON is written when there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// How often the line on a terminal changes.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// Shows progress until it is dropped.
pub(super) struct Progress {
    _stop: Option<SyncSender<()>>,
}

impl Progress {
    /// Begins to show it in the form of the run, or not at all.
    pub(super) fn start(metrics: Metrics, form: Option<Form>) -> Self {
        let Some(form) = form else { return Self { _stop: None } };
        // One message at most: that this was dropped.
        let (stop, stopped) = sync_channel(1);
        let show = move || {
            let goes_on = |every| stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout);
            if form == Form::Jsonl || !is_screen() {
                let write = if form == Form::Jsonl { answer } else { say };
                while goes_on(LINE_EVERY) {
                    write(&format!("{}\n", counts(&metrics)));
                }
                return;
            }
            let bar = spinner();
            while goes_on(DRAW_EVERY) {
                bar.set_message(line(&metrics));
                bar.tick();
            }
            bar.finish_and_clear();
        };
        let _ = std::thread::Builder::new().name("progress".to_owned()).spawn(show);
        Self { _stop: Some(stop) }
    }
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {wide_msg}") {
        bar.set_style(style);
    }
    bar
}

fn line(metrics: &Metrics) -> String {
    let read: u64 = metrics.sources().values().map(|source| source.read.load(Relaxed)).sum();
    let rows: u64 = metrics.sinks().values().map(|sink| sink.committed.load(Relaxed)).sum();
    let epoch = metrics.checkpoints.epoch.load(Relaxed);
    format!("{read} records read, {rows} rows committed, epoch {epoch}")
}

fn counts(metrics: &Metrics) -> Value {
    let (mut read, mut accepted) = (0, 0);
    let mut rejected = serde_json::Map::new();
    for source in metrics.sources().values() {
        read += source.read.load(Relaxed);
        accepted += source.accepted.load(Relaxed);
        for (reason, count) in source.rejected() {
            let before = rejected.get(reason).and_then(Value::as_u64).unwrap_or(0);
            rejected.insert(reason.to_owned(), json!(before + count));
        }
    }
    let operators = metrics.operators();
    let late: serde_json::Map<_, _> = operators
        .iter()
        .map(|(name, operator)| (name.clone(), operator.late.load(Relaxed)))
        .filter(|(_, late)| *late > 0)
        .map(|(name, late)| (name, json!(late)))
        .collect();
    let sinks = metrics.sinks();
    let rows: serde_json::Map<_, _> = sinks
        .iter()
        .map(|(name, sink)| (name.clone(), json!(sink.committed.load(Relaxed))))
        .collect();
    let epoch = metrics.checkpoints.epoch.load(Relaxed);
    json!({
        "read": read, "accepted": accepted, "rejected": rejected, "late": late, "rows": rows,
        "epoch": epoch,
    })
}

/// How a run began and ended.
pub(super) fn of(
    outcome: &Outcome,
    metrics: &Metrics,
    elapsed_ms: i64,
    error: Option<&JobError>,
) -> Value {
    let mut summary = counts(metrics);
    summary["resumed_from"] = json!(outcome.resumed_from.map(|epoch| epoch.0));
    summary["was_finished"] = json!(outcome.was_finished);
    summary["seconds"] = json!(elapsed_ms as f64 / 1000.0);
    if let Some(error) = error {
        summary["error"] = as_json(error);
    }
    summary
}

/// The same for people, on one line.
pub(super) fn text(summary: &Value) -> String {
    if summary["was_finished"] == true {
        return "nothing to do: an earlier run came to the end of the input, and what was added since is not read; start anew with --fresh\n"
            .to_owned();
    }
    let from = match summary["resumed_from"].as_u64() {
        Some(epoch) => format!("resumed from epoch {epoch}; "),
        None => String::new(),
    };
    let (read, accepted) = (&summary["read"], &summary["accepted"]);
    let [rejected, late, rows] = ["rejected", "late", "rows"].map(|of| list(&summary[of]));
    let seconds = summary["seconds"].as_f64().unwrap_or(0.0);
    let rate = read.as_f64().unwrap_or(0.0) / seconds.max(0.001);
    format!(
        "{from}{read} records read, {accepted} accepted, rejected: {rejected}, late: {late}, \
         rows: {rows}, {seconds:.1} s, {rate:.0} records/s\n"
    )
}

/// Counts by name, or that there are none.
fn list(counts: &Value) -> String {
    let counts = counts.as_object().filter(|counts| !counts.is_empty());
    let counts = counts.into_iter().flatten().map(|(name, count)| format!("{name} {count}"));
    let counts: Vec<_> = counts.collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(" ") }
}
