//! The command line over a binary's jobs.

mod arguments;
mod run;
mod savepoint;
mod summary;

use crate::Job;
use arguments::{Arguments, Command};
use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use waystream_engine::error::JobError;
use waystream_engine::nearest;

/// Exit code of a wrong command line, after sysexits.
const USAGE: u8 = 64;

/// Runs the command line with these jobs: `run JOB`, `savepoint JOB`, `list`. Returns the exit code.
#[must_use]
#[allow(clippy::needless_pass_by_value, reason = "a binary hands over its jobs")]
pub fn main(jobs: Vec<Job>) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        say(&format!("waystream: a bug: {panic}\n"));
        std::process::exit(70);
    }));
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let done = match arguments.command {
        Command::Run(run) => match jobs.iter().find(|job| job.name == run.job) {
            Some(job) => run::run(job, &run),
            None => Err(unknown_job(&run.job, &jobs)),
        },
        Command::Savepoint(wanted) => match jobs.iter().find(|job| job.name == wanted.job) {
            Some(job) => savepoint::savepoint(job, &wanted),
            None => Err(unknown_job(&wanted.job, &jobs)),
        },
        Command::List => {
            for job in &jobs {
                let _ = writeln!(std::io::stdout(), "{:<12}  {}", job.name, job.about);
            }
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}\n"));
            if let Some(hint) = &error.hint {
                say(&format!("  hint: {hint}\n"));
            }
            ExitCode::from(error.kind.exit_code())
        }
    }
}

fn unknown_job(name: &str, jobs: &[Job]) -> JobError {
    let names = || jobs.iter().map(|job| job.name);
    let hint = match nearest(name, names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("there are: {}", names().collect::<Vec<_>>().join(", ")),
    };
    JobError::configuration(format!("there is no job `{name}`")).hint(hint)
}

/// Writes to standard error; a closed one is nobody's problem.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
