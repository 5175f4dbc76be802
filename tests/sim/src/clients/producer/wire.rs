//! Produce requests and their answers.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use esker_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use esker_protocol::messages::produce_response::PartitionProduceResponse;
use esker_protocol::messages::{ProduceRequest, ProduceResponse};
use uuid::Uuid;

use crate::clients::metadata::topic_name;

/// First version that names topics by id.
const BY_ID: i16 = 13;
/// The version that a client speaks that names them by name.
const BY_NAME: i16 = 9;

/// The version of Produce for either way of naming topics.
pub(super) fn version(by_id: bool) -> i16 {
    if by_id { BY_ID } else { BY_NAME }
}

/// A partition in a request: index of its lane, name and id of its topic, its own index, the batch.
pub(super) struct Part {
    pub(super) at: usize,
    pub(super) topic: String,
    pub(super) uuid: Uuid,
    pub(super) index: i32,
    pub(super) number: u64,
    pub(super) bytes: Bytes,
}

/// The request that carries these parts.
pub(super) fn request(parts: &[Part], acks: i16, timeout: Duration) -> ProduceRequest {
    let mut topics: Vec<TopicProduceData> = Vec::new();
    for part in parts {
        let name = topic_name(&part.topic);
        let data = PartitionProduceData::default()
            .with_index(part.index)
            .with_records(Some(part.bytes.clone()));
        match topics.iter_mut().find(|topic| topic.name == name) {
            Some(topic) => topic.partition_data.push(data),
            None => topics.push(
                TopicProduceData::default()
                    .with_name(name)
                    .with_topic_id(part.uuid)
                    .with_partition_data(vec![data]),
            ),
        }
    }
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX))
        .with_topic_data(topics)
}

/// The answers by topic (name or id, as asked) and partition.
pub(super) struct Answers(BTreeMap<(String, i32), PartitionProduceResponse>);

fn key(by_id: bool, name: &str, uuid: Uuid) -> String {
    if by_id { uuid.to_string() } else { name.to_owned() }
}

impl Answers {
    /// Sorts an answer by partition.
    pub(super) fn new(response: ProduceResponse, by_id: bool) -> Self {
        let mut answers = BTreeMap::new();
        for topic in response.responses {
            let key = key(by_id, &topic.name.0, topic.topic_id);
            for partition in topic.partition_responses {
                answers.insert((key.clone(), partition.index), partition);
            }
        }
        Self(answers)
    }

    /// Takes the answer for a part.
    pub(super) fn take(&mut self, by_id: bool, part: &Part) -> Option<PartitionProduceResponse> {
        let key = key(by_id, &part.topic, part.uuid);
        self.0.remove(&(key, part.index))
    }

    /// Whether there are answers that nobody asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
