//! The sink that writes to a topic.

use super::address::Address;
use super::committer::KafkaCommitter;
use super::delivery::Delivery;
use super::frame::FrameEncoder;
use crate::format::Choice;
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
    format: Choice,
    layout: Layout<T>,
}

impl<T: Serialize + 'static> KafkaSink<T> {
    /// Makes the sink; nothing is asked of the brokers yet.
    pub(crate) fn new(url: &Url, layout: Layout<T>, context: &OpenContext) -> Result<Self> {
        let address = Address::of(url)?;
        let delivery = Delivery::of(url, &context.history.job, &context.name)?;
        let authorization = address.settings.registry_authorization();
        let format = Choice::of(url, &address.topic, authorization)?;
        // Said now, not when the job runs.
        format.encoder::<T>()?;
        Ok(Self { address, delivery, format, layout })
    }
}

impl<T: Serialize + 'static> Sink<T> for KafkaSink<T> {
    fn kind(&self) -> &'static str {
        "kafka"
    }

    fn encoder(&self) -> Result<Box<dyn Encoder<T>>> {
        Ok(Box::new(FrameEncoder { layout: self.layout.clone(), value: self.format.encoder()? }))
    }

    fn committer(&self) -> Result<Box<dyn Committer>> {
        Ok(Box::new(KafkaCommitter::new(
            self.address.clone(),
            self.delivery.clone(),
            self.format.prefix()?,
        )))
    }
}
