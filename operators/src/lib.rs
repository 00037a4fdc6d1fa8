//! The language of Waystream jobs: a [`Flow`] begins streams, a [`Stream`] is changed record by
//! record, and a [`Keyed`] stream keeps state per key.

mod flow;
mod geo;
mod keyed;
mod live;
mod ordered;
mod process;
mod setting;
mod stateful;
mod stream;
mod testing;
mod unset;
mod view;
mod window;

pub use flow::{Flow, Outline};
pub use geo::{
    Cell, CellError, Crossing, CrossingKind, Defect, DefectKind, EARTH_RADIUS_M, Located, Moving,
    Position, PositionError, Resolution, Stop, StopRule, Trip, ZoneSettings, ZoneSource, Zones,
    ZonesError,
};
pub use keyed::Keyed;
pub use live::Change;
pub use process::{Operator, Scope};
pub use setting::{Metres, Setting};
pub use stream::Stream;
pub use testing::{Step, TestJob, TestOutputs};
pub use unset::Unset;
pub use view::Shown;
pub use waystream_engine::error::JobError;
pub use waystream_engine::event::{Data, Event};
pub use waystream_engine::key::Key;
pub use waystream_engine::operator::Due;
pub use waystream_engine::source::{DeadLetter, EventTime};
pub use waystream_engine::state::State;
pub use waystream_engine::time::{Timestamp, mins, ms, secs};
pub use window::{FixedWindows, Pane, Session, Sliding, Tumbling, WindowError, Windowed, Windows};
