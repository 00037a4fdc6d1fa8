//! The command line over a binary's jobs.

mod arguments;
mod config;
mod graph;
mod group;
mod log;
mod new;
mod report;
mod run;
mod savepoint;
mod settle;
mod summary;
mod validate;
mod volatile;
mod worker;

use crate::Job;
use arguments::{AnswerForm, Arguments, Command};
use clap::Parser;
use config::{Form, Surroundings};
use report::{answer, say};
use std::process::ExitCode;
use waystream_engine::error::Result;

/// Runs the command line with these jobs: `run JOB`, `worker JOB`, `savepoint JOB`, `settle JOB`,
/// `list`, `graph JOB`,
/// `validate JOB`, `new NAME`. Returns the exit code.
#[must_use]
#[allow(clippy::needless_pass_by_value, reason = "a binary hands over its jobs")]
pub fn main(jobs: Vec<Job>) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        say(&format!("waystream: a bug: {panic}\n"));
        std::process::exit(70);
    }));
    let mut form = report::asked_for(std::env::args_os().skip(1));
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return report::usage(&error, form),
    };
    let done =
        crate::job::check_names(&jobs).and_then(|()| obey(&jobs, &arguments.command, &mut form));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report::failure(&error, form),
    }
}

/// Does what a command says. `form` is how a failure is to be told.
fn obey(jobs: &[Job], command: &Command, form: &mut Form) -> Result<()> {
    let around = Surroundings::of_process();
    match command {
        Command::Run(run) => {
            let job = config::resolve(jobs, &run.job, run.options(), &around)?;
            *form = job.options.output;
            log::start(job.options.log, *form);
            run::run(job, run, form)
        }
        Command::Worker(worker) => {
            let job = config::resolve(jobs, &worker.run.job, worker.run.options(), &around)?;
            *form = job.options.output;
            log::start(job.options.log, *form);
            worker::run(job, worker, form)
        }
        Command::Savepoint(wanted) => {
            let job = config::resolve(jobs, &wanted.job, wanted.options(), &around)?;
            savepoint::savepoint(&job, &wanted.to)
        }
        Command::Settle(wanted) => {
            settle::settle(config::resolve(jobs, &wanted.job, wanted.options(), &around)?)
        }
        Command::List(list) => {
            list_jobs(jobs, list.output);
            Ok(())
        }
        Command::Graph(graph) => {
            let job = config::resolve(jobs, &graph.job, Vec::new(), &around)?;
            answer(&graph::draw(&job, graph.output));
            Ok(())
        }
        Command::Validate(validate) => {
            let job = config::resolve(jobs, &validate.job, Vec::new(), &around)?;
            answer(&validate::describe(&job, validate.output));
            Ok(())
        }
        Command::New(new) => new::write(new),
    }
}

fn list_jobs(jobs: &[Job], form: AnswerForm) {
    let text = match form {
        AnswerForm::Text => {
            jobs.iter().map(|job| format!("{:<12}  {}\n", job.name, job.about)).collect()
        }
        AnswerForm::Json => {
            let job = |job: &Job| serde_json::json!({ "name": job.name, "about": job.about });
            format!("{}\n", jobs.iter().map(job).collect::<serde_json::Value>())
        }
    };
    answer(&text);
}
