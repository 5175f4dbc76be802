//! DescribeLogDirs 1-4: one directory stands for the bucket.
//!
//! An agent lists the partitions that count it among their replicas for the client that asks, so that a tool that
//! looks a replica up finds it. The size is that of the stored batches of the partition; -1 where too much would have to be
//! added up for it ([`super::stored_bytes`]). Nothing lags and nothing is moved. If the metastore does not answer, the
//! directory has an error and no partitions, as one of a broken disk has in Kafka.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use esker_model::PartitionKey;
use esker_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use esker_protocol::messages::{
    BrokerId, DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName,
    describe_log_dirs_request::DescribableLogDirTopic,
};
use esker_protocol::{ErrorCode, StrBytes};
use tracing::warn;

use super::{TopicState, stored_bytes};
use crate::authorizer::{Operation, Resource};
use crate::cluster::Brokers;
use crate::context::RequestContext;
use crate::{Broker, errors};

/// The name of the one directory.
const DIRECTORY: StrBytes = StrBytes::from_static_str("bucket");

/// What Kafka shows where a size is not known.
const UNKNOWN: i64 = -1;

/// First version that has room for an error of the whole request.
const ERROR_VERSION: i16 = 3;

/// A topic with those of its partitions that are listed, ascending.
type Listed = (Arc<TopicState>, Vec<i32>);

/// Describes the directory.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let response = DescribeLogDirsResponse::default();
    if !broker
        .authorizer
        .allows(context, Operation::Describe, Resource::Cluster)
    {
        return match context.api_version {
            ERROR_VERSION.. => response.with_error_code(ErrorCode::ClusterAuthorizationFailed.code()),
            _ => response,
        };
    }
    // Topics made through another agent; if this fails, so does the question for sizes.
    let _ = broker.catalog.refresh_paced().await;
    let listed = listed(broker, context, request.topics);
    let partitions: Vec<PartitionKey> = listed
        .iter()
        .flat_map(|(state, indexes)| indexes.iter().filter_map(|index| state.partition(*index)))
        .collect();
    let directory = DescribeLogDirsResult::default().with_log_dir(DIRECTORY);
    let directory = match stored_bytes::of(broker.metastore.as_ref(), &partitions).await {
        Ok(sizes) => directory.with_topics(described(&listed, sizes)),
        Err(err) => {
            warn!(%err, "the sizes of partitions could not be asked");
            directory.with_error_code(errors::of_metastore(&err).code())
        }
    };
    response.with_results(vec![directory])
}

/// What was asked for and is there. What is not there is not mentioned.
fn listed(
    broker: &Broker,
    context: &RequestContext,
    asked: Option<Vec<DescribableLogDirTopic>>,
) -> Vec<Listed> {
    let brokers = Brokers::known_to(broker, context);
    let me = BrokerId(broker.member.node_id().0);
    let is_mine = |state: &TopicState, index: i32| {
        let topic = &state.topic;
        let place = brokers.place(topic.uuid, index, topic.replication_factor);
        state.partition(index).is_some() && place.replicas.contains(&me)
    };
    let Some(asked) = asked else {
        let all = broker.catalog.all().into_iter();
        return all
            .map(|state| {
                let indexes = (0..state.topic.partitions).filter(|index| is_mine(&state, *index));
                let indexes = indexes.collect();
                (state, indexes)
            })
            .collect();
    };
    let mut by_name: BTreeMap<TopicName, BTreeSet<i32>> = BTreeMap::new();
    for topic in asked {
        by_name.entry(topic.topic).or_default().extend(topic.partitions);
    }
    let known = by_name.into_iter().filter_map(|(name, indexes)| {
        let state = broker.catalog.by_name(&name)?;
        let indexes = indexes.into_iter().filter(|index| is_mine(&state, *index));
        let indexes = indexes.collect();
        Some((state, indexes))
    });
    known.collect()
}

/// `sizes` are those of all listed partitions in their order.
fn described(listed: &[Listed], sizes: Vec<Option<u64>>) -> Vec<DescribeLogDirsTopic> {
    let mut sizes = sizes.into_iter();
    let topics = listed.iter().filter(|(_, indexes)| !indexes.is_empty());
    topics
        .map(|(state, indexes)| {
            let partitions = indexes.iter().map(|index| {
                let size = sizes.next().flatten().and_then(|size| i64::try_from(size).ok());
                DescribeLogDirsPartition::default()
                    .with_partition_index(*index)
                    .with_partition_size(size.unwrap_or(UNKNOWN))
            });
            let partitions = partitions.collect();
            DescribeLogDirsTopic::default()
                .with_name(TopicName(StrBytes::from_string(state.topic.name.clone())))
                .with_partitions(partitions)
        })
        .collect()
}
