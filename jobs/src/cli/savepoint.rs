//! `waystream savepoint`: the newest checkpoint of a stopped job, in a folder of its own.

use super::arguments::Savepoint;
use super::run::{absolute, checkpoints_of};
use crate::Job;
use std::io::Write;
use std::sync::Arc;
use waystream_engine::checkpoint::{Folder, LocalDisk, save};
use waystream_engine::error::Result;

pub(super) fn savepoint(job: &Job, arguments: &Savepoint) -> Result<()> {
    let checkpoints = checkpoints_of(job, arguments.checkpoints.as_deref())?;
    let from = Folder::at(Arc::new(LocalDisk), checkpoints);
    let to = Folder::open(Arc::new(LocalDisk), absolute(&arguments.to)?)?;
    let saved = save(&from, job.name, &to)?;
    let owed = match saved.owed_rows {
        0 => "sinks are owed nothing".to_owned(),
        rows => format!("{rows} rows that sinks are owed are in it"),
    };
    let (name, epoch, bytes, to) = (job.name, saved.epoch, saved.bytes, arguments.to.display());
    let text = format!(
        "savepoint of `{name}` at epoch {epoch}, {bytes} bytes, {owed}; begin with it: \
         run {name} --from {to} --checkpoints NEW-FOLDER\n"
    );
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}
