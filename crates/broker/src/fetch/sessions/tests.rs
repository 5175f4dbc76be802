use esker_protocol::StrBytes;
use esker_protocol::fetch_response::FetchPartitionParts;
use esker_protocol::messages::TopicName;
use esker_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use uuid::Uuid;

use super::Partitions;

mod cache;
mod partitions;

fn name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// Partitions of a topic with the offsets wanted.
fn topic(topic: &str, partitions: &[(i32, i64)]) -> FetchTopic {
    let partition = |(index, from): &(i32, i64)| {
        FetchPartition::default()
            .with_partition(*index)
            .with_fetch_offset(*from)
    };
    FetchTopic::default()
        .with_topic(name(topic))
        .with_partitions(partitions.iter().map(partition).collect())
}
