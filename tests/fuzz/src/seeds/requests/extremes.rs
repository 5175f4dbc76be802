//! Requests whose numbers are at the ends of their ranges: well-formed, and nothing that a client would send.

use esker_protocol::batch::{BATCH_HEADER_BYTES, BatchHeader};
use esker_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use esker_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
use esker_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use esker_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use esker_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use esker_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use esker_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DescribeTopicPartitionsRequest, FetchRequest,
    InitProducerIdRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest, ProduceRequest, ProducerId,
};

use super::{Requests, data, name};
use crate::seeds::batches;
use crate::topics::{COMPACT, PLAIN};

const ENDS: [(&str, i64); 4] = [
    ("most", i64::MAX),
    ("least", i64::MIN),
    ("minus-one", -1),
    ("zero", 0),
];

pub(super) fn add(requests: &mut Requests) {
    for (what, end) in ENDS {
        // The same end of the smaller types: only -1 and 0 are the same in all of them.
        let small = end.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
        requests.add_one(what, 9, &produce(end, small));
        requests.add_one(what, 12, &fetch(end, small));
        requests.add_one(what, 9, &list_offsets(end, small));
        requests.add_one(what, 4, &leader_epochs(small));
        requests.add_one(what, 4, &init_producer_id(end, small));
        requests.add_one(what, 7, &create_topics(small));
        requests.add_one(what, 3, &create_partitions(small));
        requests.add_one(what, 0, &describe_topic_partitions(small));
    }
}

/// A batch whose producer and times are at an end, and whose length and number of records fit.
fn produce(end: i64, small: i32) -> ProduceRequest {
    let batch = batches::plain(2);
    let mut header = BatchHeader::parse(&batch).unwrap();
    header.producer_id = end;
    header.producer_epoch = end.clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16;
    header.base_sequence = small;
    header.base_timestamp = end;
    header.max_timestamp = end;
    let batch = [&header.write()[..], &batch[BATCH_HEADER_BYTES..]].concat();
    data::produce(9, -1, &[(PLAIN, 0, batch.into())]).with_timeout_ms(small)
}

fn fetch(end: i64, small: i32) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(0)
        .with_current_leader_epoch(-1)
        .with_fetch_offset(end)
        .with_last_fetched_epoch(small)
        .with_log_start_offset(end)
        .with_partition_max_bytes(small.max(0));
    let topic = FetchTopic::default()
        .with_topic(name(PLAIN.name))
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(100)
        .with_min_bytes(small.max(0))
        .with_max_bytes(small.max(0))
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

fn list_offsets(end: i64, small: i32) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default()
        .with_partition_index(0)
        .with_current_leader_epoch(small)
        .with_timestamp(end);
    let topic = ListOffsetsTopic::default()
        .with_name(name(PLAIN.name))
        .with_partitions(vec![partition]);
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(small))
        .with_topics(vec![topic])
}

fn leader_epochs(small: i32) -> OffsetForLeaderEpochRequest {
    let partition = OffsetForLeaderPartition::default()
        .with_partition(0)
        .with_current_leader_epoch(-1)
        .with_leader_epoch(small);
    let topic = OffsetForLeaderTopic::default()
        .with_topic(name(PLAIN.name))
        .with_partitions(vec![partition]);
    OffsetForLeaderEpochRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(vec![topic])
}

fn init_producer_id(end: i64, small: i32) -> InitProducerIdRequest {
    InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(small)
        .with_producer_id(ProducerId(end))
        .with_producer_epoch(small as i16)
}

fn create_topics(small: i32) -> CreateTopicsRequest {
    let counted = CreatableTopic::default()
        .with_name(name("counted"))
        .with_num_partitions(small)
        .with_replication_factor(small as i16);
    let assignment = CreatableReplicaAssignment::default()
        .with_partition_index(small)
        .with_broker_ids(vec![BrokerId(small)]);
    let assigned = CreatableTopic::default()
        .with_name(name("placed"))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_assignments(vec![assignment]);
    CreateTopicsRequest::default()
        .with_topics(vec![counted, assigned])
        .with_timeout_ms(small)
}

fn create_partitions(small: i32) -> CreatePartitionsRequest {
    let topic = CreatePartitionsTopic::default()
        .with_name(name(COMPACT.name))
        .with_count(small)
        .with_assignments(None);
    CreatePartitionsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(small)
}

fn describe_topic_partitions(small: i32) -> DescribeTopicPartitionsRequest {
    let cursor = Cursor::default()
        .with_topic_name(name(PLAIN.name))
        .with_partition_index(small);
    DescribeTopicPartitionsRequest::default()
        .with_topics(vec![TopicRequest::default().with_name(name(PLAIN.name))])
        .with_response_partition_limit(small)
        .with_cursor(Some(cursor))
}
