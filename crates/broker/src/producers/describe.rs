//! DescribeProducers 0 (KIP-664): which idempotent producers a partition knows.
//!
//! What holds: a producer is described if the partition has appended batches of it and not forgotten it. An answer holds
//! [`DESCRIBED_MAX`] producers at most: each partition gets the same share of them, and those that appended last are in
//! it. Transactions do not exist yet, so that none has a coordinator or an open one.

use esker_metastore::{ActiveProducer, MetastoreError};
use esker_model::PartitionKey;
use esker_model::limits::QUERY_PARTITIONS_MAX;
use esker_protocol::ErrorCode;
use esker_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use esker_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};
use tracing::warn;

use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::fetch::resolve::{Resolver, TopicRef};
use crate::topics::names;
use crate::{Broker, errors};

/// Producers in one answer.
const DESCRIBED_MAX: usize = 100_000;

/// What Kafka shows where there is no transaction.
const NONE: i32 = -1;

/// Describes the producers of the partitions that were asked for.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let mut resolver = Resolver::new(broker, context, Operation::Read);
    let mut response = DescribeProducersResponse::default();
    let mut open: Vec<((usize, usize), PartitionKey)> = Vec::new();
    for topic in request.topics {
        let state = match names::is_valid(&topic.name) {
            true => resolver.topic(TopicRef::Name(&topic.name)).await,
            false => Err(ErrorCode::InvalidTopicException),
        };
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for index in topic.partition_indexes {
            let partition = match &state {
                Ok(state) => resolver.partition(state, index).await,
                Err(error) => Err(*error),
            };
            let error = match partition {
                Ok(partition) => {
                    open.push(((response.topics.len(), partitions.len()), partition));
                    ErrorCode::None
                }
                Err(error) => error,
            };
            partitions.push(
                PartitionResponse::default()
                    .with_partition_index(index)
                    .with_error_code(error.code()),
            );
        }
        let topic = TopicResponse::default()
            .with_name(topic.name)
            .with_partitions(partitions);
        response.topics.push(topic);
    }
    let share = u32::try_from(DESCRIBED_MAX / open.len().max(1)).map_or(u32::MAX, |share| share.max(1));
    for part in open.chunks(QUERY_PARTITIONS_MAX) {
        let partitions: Vec<_> = part.iter().map(|(_, partition)| *partition).collect();
        let told = broker.metastore.active_producers(&partitions, share).await;
        fill(&mut response, part, told);
    }
    response
}

fn fill(
    response: &mut DescribeProducersResponse,
    part: &[((usize, usize), PartitionKey)],
    told: Result<Vec<Vec<ActiveProducer>>, MetastoreError>,
) {
    let told = told.map_err(|err| {
        warn!(%err, "the producers of partitions could not be asked");
        errors::of_metastore(&err)
    });
    for (at, ((topic, partition), _)) in part.iter().enumerate() {
        let slot = &mut response.topics[*topic].partitions[*partition];
        match &told {
            Ok(producers) => {
                let known = producers.get(at).map(Vec::as_slice).unwrap_or_default();
                slot.active_producers = known.iter().map(described).collect();
            }
            Err(error) => slot.error_code = error.code(),
        }
    }
}

fn described(producer: &ActiveProducer) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(producer.id.0))
        .with_producer_epoch(i32::from(producer.epoch.0))
        .with_last_sequence(producer.last_sequence)
        .with_last_timestamp(producer.last_timestamp)
        .with_coordinator_epoch(NONE)
        .with_current_txn_start_offset(i64::from(NONE))
}
