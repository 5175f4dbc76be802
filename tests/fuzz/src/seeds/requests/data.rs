//! Requests that write and read records.

use bytes::Bytes;
use esker_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic, ReplicaState};
use esker_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use esker_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use esker_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use esker_protocol::messages::{
    BrokerId, FetchRequest, InitProducerIdRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest,
    ProduceRequest, ProducerId, TransactionalId,
};

use super::{Requests, name, text};
use crate::seeds::batches;
use crate::topics::{APPEND_TIME, COMPACT, KnownTopic, PLAIN};

/// First version of Produce and of Fetch that names topics by id (KIP-516).
const TOPIC_IDS: i16 = 13;

pub(super) fn add(requests: &mut Requests) {
    requests.add("plain", |version| {
        produce(
            version,
            -1,
            &[(PLAIN, 0, batches::plain(3)), (PLAIN, 1, batches::plain(1))],
        )
    });
    requests.add("idempotent", |version| {
        produce(version, -1, &[(PLAIN, 0, batches::idempotent(0, 0, 2))])
    });
    for (what, acks) in [("acks-0", 0), ("acks-1", 1)] {
        requests.add_one(what, 9, &produce(9, acks, &[(PLAIN, 0, batches::plain(2))]));
    }
    for (codec, batch) in batches::by_codec() {
        let batches = [
            (COMPACT, 0, batch.clone()),
            (APPEND_TIME, 0, batch.clone()),
            (PLAIN, 1, batch),
        ];
        requests.add_one(codec, 11, &produce(11, -1, &batches));
    }
    requests.add("", fetch);
    requests.add("", list_offsets);
    requests.add("", leader_epochs);
    requests.add("", init_producer_id);
}

pub(super) fn produce(version: i16, acks: i16, batches: &[(KnownTopic, i32, Bytes)]) -> ProduceRequest {
    let topics = batches.iter().map(|(topic, partition, batch)| {
        let data = PartitionProduceData::default()
            .with_index(*partition)
            .with_records(Some(batch.clone()));
        let named = match version {
            TOPIC_IDS.. => TopicProduceData::default().with_topic_id(topic.id),
            _ => TopicProduceData::default().with_name(name(topic.name)),
        };
        named.with_partition_data(vec![data])
    });
    ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(acks)
        .with_timeout_ms(10_000)
        .with_topic_data(topics.collect())
}

fn fetch(version: i16) -> FetchRequest {
    let partition = |index, offset| {
        let mut partition = FetchPartition::default()
            .with_partition(index)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(1 << 20);
        if version >= 9 {
            partition.current_leader_epoch = 1;
        }
        partition
    };
    let topic = |topic: KnownTopic| {
        let partitions = vec![partition(0, 0), partition(1, 1)];
        let named = match version {
            TOPIC_IDS.. => FetchTopic::default().with_topic_id(topic.id),
            _ => FetchTopic::default().with_topic(name(topic.name)),
        };
        named.with_partitions(partitions)
    };
    let mut request = FetchRequest::default()
        .with_max_wait_ms(20)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_isolation_level(version as i8 & 1)
        .with_topics(vec![topic(PLAIN), topic(APPEND_TIME)]);
    if version >= 7 {
        let forgotten = match version {
            TOPIC_IDS.. => ForgottenTopic::default().with_topic_id(COMPACT.id),
            _ => ForgottenTopic::default().with_topic(name(COMPACT.name)),
        };
        request.session_epoch = -1;
        request.forgotten_topics_data = vec![forgotten.with_partitions(vec![0, 2])];
    }
    if version >= 11 {
        request.rack_id = text("z");
    }
    if version >= 12 {
        request.cluster_id = Some(text("c"));
    }
    if version >= 15 {
        request.replica_state = ReplicaState::default()
            .with_replica_id(BrokerId(-1))
            .with_replica_epoch(3);
    }
    request
}

fn list_offsets(version: i16) -> ListOffsetsRequest {
    let partition = |index, timestamp| {
        let partition = ListOffsetsPartition::default()
            .with_partition_index(index)
            .with_timestamp(timestamp);
        match version {
            4.. => partition.with_current_leader_epoch(1),
            _ => partition,
        }
    };
    // Earliest, latest and by time; from v7 the largest timestamp, from v8 and v9 what is local or remote
    // (KIP-734, KIP-405, KIP-1005).
    let topic = |topic: KnownTopic, first, second| {
        ListOffsetsTopic::default()
            .with_name(name(topic.name))
            .with_partitions(vec![partition(0, first), partition(1, second)])
    };
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(vec![
            topic(PLAIN, batches::TIMESTAMP + 1, -2),
            topic(APPEND_TIME, if version >= 7 { -3 } else { 0 }, -1),
            topic(COMPACT, batches::TIMESTAMP, i64::from(-(version / 2))),
        ]);
    match version {
        10.. => request.with_timeout_ms(1000),
        _ => request,
    }
}

fn leader_epochs(version: i16) -> OffsetForLeaderEpochRequest {
    let partition = OffsetForLeaderPartition::default()
        .with_partition(0)
        .with_current_leader_epoch(1)
        .with_leader_epoch(1);
    let topic = OffsetForLeaderTopic::default()
        .with_topic(name(PLAIN.name))
        .with_partitions(vec![partition]);
    let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
    match version {
        3.. => request.with_replica_id(BrokerId(-1)),
        _ => request,
    }
}

fn init_producer_id(version: i16) -> InitProducerIdRequest {
    let id = (version % 2 == 1).then(|| TransactionalId(text("tx")));
    let request = InitProducerIdRequest::default()
        .with_transactional_id(id)
        .with_transaction_timeout_ms(60_000);
    match version {
        3.. => request.with_producer_id(ProducerId(-1)).with_producer_epoch(-1),
        _ => request,
    }
}
