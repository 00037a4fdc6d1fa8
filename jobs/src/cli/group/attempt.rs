//! One start of all processes of a job, watched until the last of them has ended.

use super::channel::{Failed, Order, Report, receive, send};
use std::io::{self, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;
use waystream_engine::clock::{Clock, SystemClock};
use waystream_engine::cluster::random_text;
use waystream_engine::error::{JobError, Result, way_out};

/// How long the others have to end once one has; they notice at once that it is gone.
const GRACE_MS: i64 = 5_000;

/// What a supervisor hears.
#[derive(Debug)]
pub(super) enum Event {
    Said(usize, Report),
    /// A process has ended.
    Gone(usize),
    Signal(i32),
}

/// How one process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Well,
    /// It said why it failed.
    Failed(Failed),
    /// It said nothing.
    Code(i32),
    Signal(i32),
    /// The supervisor ended it.
    Ended,
}

/// How a start ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// By process.
    pub(super) endings: Vec<Ending>,
    /// Whether the job was taken over.
    pub(super) has_begun: bool,
    /// The last epoch that counts, if one was heard of.
    pub(super) epoch: Option<u64>,
    /// Milliseconds that the job ran.
    pub(super) healthy_ms: i64,
    /// Whether somebody asked it to stop.
    pub(super) is_stopping: bool,
    /// The signal that is to end the supervisor at once.
    pub(super) killed_by: Option<i32>,
}

struct Process {
    child: Child,
    line: UnixStream,
    ending: Option<Ending>,
    failed: Option<Failed>,
    was_killed: bool,
}

/// All processes of one start. When it is dropped none of them is left.
pub(super) struct Attempt {
    processes: Vec<Process>,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().filter(|process| process.ending.is_none()) {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

impl Attempt {
    /// Starts the processes of a job with the arguments of this one.
    pub(super) fn start(count: usize, has_begun: bool, events: &SyncSender<Event>) -> Result<Self> {
        let (secret, run) = (random_text()?, random_text()?);
        let mut attempt = Self { processes: Vec::new() };
        for index in 0..count {
            let cannot = |error: io::Error| {
                JobError::unavailable(format!("cannot start process {index}"))
                    .hint(way_out(&error))
                    .caused_by(error)
            };
            let (line, theirs) = UnixStream::pair().map_err(cannot)?;
            let lines = BufReader::new(line.try_clone().map_err(cannot)?);
            let child = command(index, theirs).spawn().map_err(cannot)?;
            let process = Process { child, line, ending: None, failed: None, was_killed: false };
            attempt.processes.push(process);
            let (secret, run) = (secret.clone(), run.clone());
            let join = Order::Join { index, secret, run, has_begun };
            // A process that is gone already is heard of below.
            let _ = send(&attempt.processes[index].line, &join);
            let events = events.clone();
            let listen = move || hear(index, lines, &events);
            let thread = std::thread::Builder::new().name(format!("process {index}"));
            thread.spawn(listen).map_err(cannot)?;
        }
        Ok(attempt)
    }

    /// Watches until all have ended.
    pub(super) fn watch(mut self, events: &Receiver<Event>, stopping: &dyn Fn()) -> Ended {
        let clock = SystemClock;
        let (mut ended, mut begun_ms, mut end_by_ms) = (Ended::default(), None, None);
        let mut hosts = vec![None; self.processes.len()];
        while self.processes.iter().any(|process| process.ending.is_none()) {
            let left_ms: Option<i64> = end_by_ms.map(|by: i64| by - clock.ticks_ms());
            match self.next(events, left_ms) {
                None => {
                    self.kill_all();
                    end_by_ms = Some(i64::MAX);
                }
                Some(Event::Said(index, report)) => match report {
                    Report::Listening(address) => {
                        hosts[index] = Some(address);
                        if let Some(hosts) = hosts.iter().cloned().collect::<Option<Vec<_>>>() {
                            self.order(&Order::Hosts(hosts));
                        }
                    }
                    Report::Begun => {
                        ended.has_begun = true;
                        begun_ms = Some(clock.ticks_ms());
                    }
                    Report::Epoch(epoch) => ended.epoch = ended.epoch.max(Some(epoch)),
                    Report::Stopping => self.stop(&mut ended, stopping),
                    Report::Failed(failed) => self.processes[index].failed = Some(failed),
                },
                Some(Event::Gone(index)) => {
                    self.processes[index].end();
                    let now_ms = clock.ticks_ms();
                    if end_by_ms.is_none() {
                        ended.healthy_ms = begun_ms.map_or(0, |begun_ms| now_ms - begun_ms);
                        // While they gather, the others wait for one that may come again.
                        let is_well = self.processes[index].ending == Some(Ending::Well);
                        let grace_ms = if is_well || ended.has_begun { GRACE_MS } else { 0 };
                        end_by_ms = Some(now_ms + grace_ms);
                    }
                }
                Some(Event::Signal(signal)) if ended.is_stopping => {
                    ended.killed_by = Some(signal);
                    break;
                }
                Some(Event::Signal(_)) => self.stop(&mut ended, stopping),
            }
        }
        ended.endings =
            self.processes.iter().map(|p| p.ending.clone().unwrap_or(Ending::Ended)).collect();
        ended
    }

    /// The next event; `None` when the time is over.
    fn next(&self, events: &Receiver<Event>, left_ms: Option<i64>) -> Option<Event> {
        let left = u64::try_from(left_ms.unwrap_or(i64::MAX)).unwrap_or(0);
        match events.recv_timeout(Duration::from_millis(left.min(86_400_000))) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) if left_ms.is_none() => self.next(events, left_ms),
            Err(_) => None,
        }
    }

    fn stop(&self, ended: &mut Ended, stopping: &dyn Fn()) {
        if !ended.is_stopping {
            ended.is_stopping = true;
            stopping();
            self.order(&Order::Stop);
        }
    }

    fn order(&self, order: &Order) {
        for process in self.processes.iter().filter(|process| process.ending.is_none()) {
            let _ = send(&process.line, order);
        }
    }

    /// Ends those that have not noticed that another is gone: they are stopped, or hang. That they
    /// are gone is heard as of any other, so that nothing of this start is heard in the next.
    fn kill_all(&mut self) {
        for process in self.processes.iter_mut().filter(|process| process.ending.is_none()) {
            process.was_killed = process.child.kill().is_ok();
        }
    }
}

impl Process {
    fn end(&mut self) {
        if self.ending.is_none() {
            let status = self.child.wait();
            self.ending = Some(match (self.failed.take(), status) {
                (Some(failed), _) => Ending::Failed(failed),
                (None, Ok(status)) if !self.was_killed => without_a_word(status),
                (None, _) => Ending::Ended,
            });
        }
    }
}

fn without_a_word(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ending::Well,
        (Some(code), _) => Ending::Code(code),
        (None, Some(signal)) => Ending::Signal(signal),
        (None, None) => Ending::Ended,
    }
}

/// The command that this process was started with, as one of the job's processes.
fn command(index: usize, line: UnixStream) -> Command {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| "waystream".into());
    // The very program that runs, also if its file has been replaced since.
    let own = std::path::Path::new("/proc/self/exe");
    let program = match own.exists() {
        true => own.to_owned(),
        false => std::env::current_exe().unwrap_or_else(|_| name.clone().into()),
    };
    let mut command = Command::new(program);
    command.arg0(name).args(arguments).arg("--member").stdin(Stdio::from(OwnedFd::from(line)));
    if index > 0 {
        command.stdout(Stdio::null());
    }
    command
}

fn hear(index: usize, mut lines: BufReader<UnixStream>, events: &SyncSender<Event>) {
    while let Ok(Some(report)) = receive(&mut lines) {
        if events.send(Event::Said(index, report)).is_err() {
            return;
        }
    }
    let _ = events.send(Event::Gone(index));
}
