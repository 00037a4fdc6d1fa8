//! The few calls of librdkafka that its binding does not have: the id of a topic, the epoch of a
//! partition's leader, and the end of a partition as the last fetch told it.
#![allow(
    unsafe_code,
    reason = "calls of librdkafka that rdkafka does not wrap; each says why it is sound"
)]

use rdkafka::TopicPartitionList;
use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use std::ffi::{CStr, CString, c_char};
use std::time::Duration;

/// The id that a topic got when it was created, or `None` if the brokers know no ids.
pub(super) fn topic_id<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    within: Duration,
) -> Result<Option<String>, KafkaError> {
    let timed_out = KafkaError::MetadataFetch(rdkafka::error::RDKafkaErrorCode::OperationTimedOut);
    let name = CString::new(topic).map_err(KafkaError::Nul)?;
    let within_ms = i32::try_from(within.as_millis()).unwrap_or(i32::MAX);
    let mut names = [name.as_ptr()];
    let mut text = [0 as c_char; 256];
    // SAFETY: the client outlives the call. All objects are made here, are used by this thread only,
    // and are destroyed below in the order that librdkafka asks for; `names` outlives the collection,
    // which copies it. The result belongs to the event and is read before that is destroyed.
    unsafe {
        let handle = client.native_ptr();
        let queue = sys::rd_kafka_queue_new(handle);
        let options = sys::rd_kafka_AdminOptions_new(
            handle,
            sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
        );
        sys::rd_kafka_AdminOptions_set_request_timeout(
            options,
            within_ms,
            text.as_mut_ptr(),
            text.len(),
        );
        let topics = sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), 1);
        sys::rd_kafka_DescribeTopics(handle, topics, options, queue);
        let event = sys::rd_kafka_queue_poll(queue, within_ms);
        let found = if event.is_null() { Err(timed_out) } else { id_in(event) };
        if !event.is_null() {
            sys::rd_kafka_event_destroy(event);
        }
        sys::rd_kafka_TopicCollection_destroy(topics);
        sys::rd_kafka_AdminOptions_destroy(options);
        sys::rd_kafka_queue_destroy(queue);
        found
    }
}

/// # Safety
/// The event is one that librdkafka handed out and is not destroyed yet.
unsafe fn id_in(event: *mut sys::rd_kafka_event_t) -> Result<Option<String>, KafkaError> {
    let failed = |code: sys::rd_kafka_resp_err_t| Err(KafkaError::MetadataFetch(code.into()));
    let none = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
    // SAFETY: as said above; what is returned is checked for null and belongs to the event.
    unsafe {
        let error = sys::rd_kafka_event_error(event);
        if error != none {
            return failed(error);
        }
        let result = sys::rd_kafka_event_DescribeTopics_result(event);
        let mut count = 0;
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if topics.is_null() || count == 0 {
            return failed(sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
        }
        let topic = *topics;
        let error = sys::rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(topic));
        if error != none {
            return failed(error);
        }
        let id = sys::rd_kafka_TopicDescription_topic_id(topic);
        if id.is_null() {
            return Ok(None);
        }
        let is_zero = sys::rd_kafka_Uuid_most_significant_bits(id) == 0
            && sys::rd_kafka_Uuid_least_significant_bits(id) == 0;
        let text = sys::rd_kafka_Uuid_base64str(id);
        let known = !is_zero && !text.is_null();
        Ok(known.then(|| CStr::from_ptr(text).to_string_lossy().into_owned()))
    }
}

/// The epoch of the leader that wrote a message; -1 if it is not known.
pub(super) fn leader_epoch(message: &BorrowedMessage<'_>) -> i32 {
    // SAFETY: the message is borrowed, so its pointer is alive; the call only reads it.
    unsafe { sys::rd_kafka_message_leader_epoch(message.ptr()) }
}

/// Says of which leader's epoch the offset of the list's first partition is, so that a log that was
/// cut off behind it is noticed.
pub(super) fn set_leader_epoch(list: &mut TopicPartitionList, leader_epoch: i32) {
    if list.count() == 0 {
        return;
    }
    // SAFETY: the list is borrowed for writing and holds at least one element, which `elems` points to.
    unsafe { sys::rd_kafka_topic_partition_set_leader_epoch((*list.ptr()).elems, leader_epoch) }
}

/// The end of a partition as the last fetch told it; does not ask the brokers.
pub(super) fn known_end<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    partition: i32,
) -> Option<i64> {
    let name = CString::new(topic).ok()?;
    let (mut low, mut high) = (-1_i64, -1_i64);
    // SAFETY: client and name outlive the call, which writes two numbers that live here.
    let error = unsafe {
        sys::rd_kafka_get_watermark_offsets(
            client.native_ptr(),
            name.as_ptr(),
            partition,
            &raw mut low,
            &raw mut high,
        )
    };
    let is_known = error == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0;
    is_known.then_some(high)
}
