//! The sink that writes to a topic.

use super::address::Address;
use super::committer::KafkaCommitter;
use super::delivery::Delivery;
use super::frame::FrameEncoder;
use crate::sink::Layout;
use crate::url::Url;
use serde::Serialize;
use waystream_engine::error::Result;
use waystream_engine::sink::{Committer, Encoder, Sink};
use waystream_engine::spec::OpenContext;

/// Writes rows to a topic.
#[derive(Debug)]
pub(crate) struct KafkaSink<T> {
    address: Address,
    delivery: Delivery,
    layout: Layout<T>,
}

impl<T> KafkaSink<T> {
    /// Makes the sink; nothing is asked of the brokers yet.
    pub(crate) fn new(url: &Url, layout: Layout<T>, context: &OpenContext) -> Result<Self> {
        let address = Address::of(url)?;
        let delivery = Delivery::of(url, &context.history.job, &context.name)?;
        Ok(Self { address, delivery, layout })
    }
}

impl<T: Serialize + 'static> Sink<T> for KafkaSink<T> {
    fn kind(&self) -> &'static str {
        "kafka"
    }

    fn encoder(&self) -> Box<dyn Encoder<T>> {
        Box::new(FrameEncoder { layout: self.layout.clone() })
    }

    fn committer(&self) -> Result<Box<dyn Committer>> {
        Ok(Box::new(KafkaCommitter::new(self.address.clone(), self.delivery.clone())))
    }
}
