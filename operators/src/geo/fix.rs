//! The record that the tests of this folder send through a job: who was where, and when.

use super::position::{Located, Position};
use super::trips::Moving;
use crate::{EventTime, Flow, Keyed, Stream, Unset};
use serde::{Deserialize, Serialize};
use waystream_engine::time::{Timestamp, ms};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Fix {
    pub(super) key: String,
    pub(super) at: i64,
    pub(super) place: Position,
}

impl Located for Fix {
    fn position(&self) -> Position {
        self.place
    }
}

impl Moving for Fix {
    fn speed(&self) -> Option<f64> {
        Some(self.at as f64 / 8.0)
    }
}

impl Fix {
    pub(super) fn new(key: &str, at: i64, lat: f64, lon: f64) -> Self {
        Self { key: key.to_owned(), at, place: Position::new(lat, lon).unwrap() }
    }
}

/// The source `fixes`, up to 9 ms out of order.
pub(super) fn fixes(flow: &Flow) -> Stream<Fix> {
    let event_time = EventTime::by(|fix: &Fix| Timestamp(fix.at)).out_of_order(ms(9));
    flow.source("fixes", Unset, event_time)
}

/// The same by key and in order.
pub(super) fn ordered(flow: &Flow) -> Keyed<String, Fix> {
    fixes(flow).key_by(|fix| fix.key.clone()).ordered("order")
}
