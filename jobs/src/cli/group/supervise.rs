//! `waystream run --processes P`: starts the processes of a job, and starts all of them again from
//! the last checkpoint when one is gone.

use super::attempt::{Attempt, Event};
use super::history::{History, Verdict};
use crate::cli::config::{Form, Options};
use crate::cli::report::{is_screen, say};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use waystream_engine::clock::{Clock, SystemClock};
use waystream_engine::error::{JobError, Result, way_out};

/// What processes said and signals that wait to be heard; who has more waits.
const EVENTS: usize = 256;

/// Runs a job in several processes until it is done, or has failed for good.
pub(in crate::cli) fn supervise(options: &Options, form: &mut Form) -> Result<()> {
    let (sender, events) = sync_channel(EVENTS);
    hear_signals(sender.clone())?;
    let mut history = History::new(options.restart_limit);
    loop {
        let count = usize::from(options.processes);
        let attempt = Attempt::start(count, history.has_begun(), &sender)?;
        let ended = attempt.watch(&events, &|| {
            let fresh_line = if is_screen() { "\n" } else { "" };
            say(&format!(
                "{fresh_line}stopping after a final checkpoint; once more stops at once\n"
            ));
        });
        if let Some(signal) = ended.killed_by {
            std::process::exit(128 + signal);
        }
        let failed = match history.judge(&ended) {
            Verdict::Done => return Ok(()),
            Verdict::Failed(failed) => failed,
            Verdict::Again(wait, failed) => {
                let wait_ms = wait.as_millis();
                say(&format!(
                    "{}; starting all processes again from the last checkpoint in {wait_ms} ms\n",
                    failed.what
                ));
                if !is_stopped_within(&events, wait) {
                    continue;
                }
                failed
            }
        };
        if failed.is_told {
            *form = Form::Text;
        }
        return Err(failed.into_error());
    }
}

/// Waits; whether somebody asked to stop meanwhile.
fn is_stopped_within(events: &Receiver<Event>, wait: Duration) -> bool {
    let until_ms = SystemClock.ticks_ms() + wait.as_millis() as i64;
    loop {
        let left_ms = u64::try_from(until_ms - SystemClock.ticks_ms()).unwrap_or(0);
        match events.recv_timeout(Duration::from_millis(left_ms)) {
            Ok(Event::Signal(_)) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

fn hear_signals(events: SyncSender<Event>) -> Result<()> {
    let cannot = |error| {
        JobError::failed("cannot listen for signals").hint(way_out(&error)).caused_by(error)
    };
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(cannot)?;
    let listen = move || {
        for signal in signals.forever() {
            if events.send(Event::Signal(signal)).is_err() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(listen).map(drop).map_err(cannot)
}
