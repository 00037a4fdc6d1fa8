//! `replay`: positions as they are, from an archive to wherever a deployment says: a topic to try a
//! live job on, at the pace of `?speed=60x`.

use crate::fleet::Fix;
use waystream_connectors::sink::Output;
use waystream_connectors::source::Input;
use waystream_operators::{DeadLetter, EventTime, Flow};

/// Declares the job.
pub fn build(flow: &Flow) {
    let input = Input::at(crate::fleet::BUNDLED).check(Fix::check).time_of(Fix::at);
    let positions = flow.source("positions", input, EventTime::by(Fix::at));
    positions.sink("positions", Output::named().key(|fix: &Fix| (&*fix.entity_id).into()));
    let letters = Output::named().key(|letter: &DeadLetter| (&*letter.partition).into());
    flow.dead_letters().sink("dead-letters", letters);
}
