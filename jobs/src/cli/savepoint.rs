//! `waystream savepoint`: the newest checkpoint of a stopped job, in a folder of its own.

use super::config::Resolved;
use super::report::answer;
use super::run::absolute;
use std::path::Path;
use std::sync::Arc;
use waystream_engine::checkpoint::{Folder, LocalDisk, save};
use waystream_engine::error::Result;

pub(super) fn savepoint(Resolved { job, options, .. }: &Resolved, to: &Path) -> Result<()> {
    let from = Folder::at(Arc::new(LocalDisk), absolute(&options.checkpoints)?);
    let saved = save(&from, job.name, &Folder::open(Arc::new(LocalDisk), absolute(to)?)?)?;
    let owed = match saved.owed_rows {
        0 => "sinks are owed nothing".to_owned(),
        rows => format!("{rows} rows that sinks are owed are in it"),
    };
    let (name, epoch, bytes, to) = (job.name, saved.epoch, saved.bytes, to.display());
    answer(&format!(
        "savepoint of `{name}` at epoch {epoch}, {bytes} bytes, {owed}; begin with it: \
         run {name} --from {to} --checkpoints NEW-FOLDER\n"
    ));
    Ok(())
}
