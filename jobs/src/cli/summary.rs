//! What a run says while it works and when it is done.

use super::arguments::Form;
use super::say;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;
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
    pub(super) fn start(metrics: Metrics, wanted: bool) -> Self {
        if !wanted {
            return Self { _stop: None };
        }
        let (stop, stopped) = sync_channel(1);
        let terminal = std::io::stderr().is_terminal();
        let show = move || {
            let bar = terminal.then(spinner);
            let every = if terminal { DRAW_EVERY } else { LINE_EVERY };
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                match &bar {
                    Some(bar) => bar.set_message(line(&metrics)),
                    None => say(&format!("{}\n", counts(&metrics))),
                }
                if let Some(bar) = &bar {
                    bar.tick();
                }
            }
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
        };
        let _ = std::thread::Builder::new().name("progress".to_owned()).spawn(show);
        Self { _stop: Some(stop) }
    }
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
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

fn counts(metrics: &Metrics) -> serde_json::Value {
    let (mut read, mut accepted) = (0, 0);
    let mut rejected = serde_json::Map::new();
    for source in metrics.sources().values() {
        read += source.read.load(Relaxed);
        accepted += source.accepted.load(Relaxed);
        for (reason, count) in source.rejected() {
            let before = rejected.get(reason).and_then(serde_json::Value::as_u64).unwrap_or(0);
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

/// Prints how a run began and ended.
pub(super) fn print(outcome: &Outcome, metrics: &Metrics, elapsed_ms: i64, form: Form) {
    let mut summary = counts(metrics);
    let read = summary["read"].as_u64().unwrap_or(0);
    let seconds = elapsed_ms as f64 / 1000.0;
    summary["resumed_from"] = json!(outcome.resumed_from.map(|epoch| epoch.0));
    summary["was_finished"] = json!(outcome.was_finished);
    summary["seconds"] = json!(seconds);
    let text = match form {
        Form::Json => format!("{summary}\n"),
        Form::Text if outcome.was_finished => {
            "nothing to do: all input was read by an earlier run; start anew with --fresh\n".into()
        }
        Form::Text => {
            let from = match outcome.resumed_from {
                Some(epoch) => format!("resumed from epoch {epoch}; "),
                None => String::new(),
            };
            let rate = read as f64 / seconds.max(0.001);
            format!(
                "{from}{read} records read, {} accepted, rejected {}, late {}, rows {}, {seconds:.1} s, {rate:.0} records/s\n",
                summary["accepted"], summary["rejected"], summary["late"], summary["rows"],
            )
        }
    };
    let _ = std::io::stdout().write_all(text.as_bytes());
}
