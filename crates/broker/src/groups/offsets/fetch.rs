//! OffsetFetch 1-9: where groups go on reading.

use std::collections::BTreeMap;
use std::sync::Arc;

use esker_metastore::{CommittedOffset, CommittedOffsets, OffsetsRequest};
use esker_model::PartitionKey;
use esker_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use esker_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use esker_protocol::messages::{GroupId, OffsetFetchRequest, OffsetFetchResponse, TopicName};
use esker_protocol::{ErrorCode, StrBytes};

use super::commit::as_told;
use super::{NO_EPOCH, NO_MEMBER};
use crate::authorizer::{Operation, Resource};
use crate::context::RequestContext;
use crate::fetch::resolve::{Resolver, TopicRef};
use crate::groups::group::Group;
use crate::groups::requests::allow;
use crate::{Broker, errors};

/// First version with an error for the whole request.
const ERROR_VERSION: i16 = 2;
/// First version that tells leader epochs.
const LEADER_EPOCH_VERSION: i16 = 5;
/// First version that asks for many groups.
const GROUPS_VERSION: i16 = 8;

/// The offset of a partition that none was committed for.
const NO_OFFSET: i64 = -1;

/// Tells offsets.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    let version = context.api_version;
    if version >= GROUPS_VERSION {
        let mut groups = Vec::with_capacity(request.groups.len());
        for group in request.groups {
            groups.push(of_group(broker, context, group).await);
        }
        return OffsetFetchResponse::default().with_groups(groups);
    }
    let topics = request.topics.map(|topics| {
        let topics = topics.into_iter().map(|topic| {
            OffsetFetchRequestTopics::default()
                .with_name(topic.name)
                .with_partition_indexes(topic.partition_indexes)
        });
        topics.collect::<Vec<_>>()
    });
    let asked = topics.clone();
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(request.group_id)
        .with_topics(topics)
        .with_member_epoch(NO_MEMBER);
    one_group(version, of_group(broker, context, group).await, asked)
}

/// The answer of the versions that ask for one group.
fn one_group(
    version: i16,
    group: OffsetFetchResponseGroup,
    asked: Option<Vec<OffsetFetchRequestTopics>>,
) -> OffsetFetchResponse {
    let mut response = OffsetFetchResponse::default();
    let topics = if group.error_code == 0 {
        group.topics
    } else if version < ERROR_VERSION {
        // There the error stands with each partition.
        let refused = asked.into_iter().flatten().map(|topic| {
            let partitions = topic
                .partition_indexes
                .into_iter()
                .map(|index| nothing(index, group.error_code));
            OffsetFetchResponseTopics::default()
                .with_name(topic.name)
                .with_partitions(partitions.collect())
        });
        refused.collect()
    } else {
        Vec::new()
    };
    if version >= ERROR_VERSION {
        response.error_code = group.error_code;
    }
    let topics = topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|partition| {
            let answer = OffsetFetchResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_committed_offset(partition.committed_offset)
                .with_metadata(partition.metadata)
                .with_error_code(partition.error_code);
            if version < LEADER_EPOCH_VERSION {
                return answer;
            }
            answer.with_committed_leader_epoch(partition.committed_leader_epoch)
        });
        OffsetFetchResponseTopic::default()
            .with_name(topic.name)
            .with_partitions(partitions.collect())
    });
    response.with_topics(topics.collect())
}

async fn of_group(
    broker: &Broker,
    context: &RequestContext,
    request: OffsetFetchRequestGroup,
) -> OffsetFetchResponseGroup {
    let response = OffsetFetchResponseGroup::default().with_group_id(request.group_id.clone());
    match find(broker, context, request).await {
        Ok(topics) => response.with_topics(topics),
        Err(error) => response.with_error_code(error.code()),
    }
}

async fn find(
    broker: &Broker,
    context: &RequestContext,
    request: OffsetFetchRequestGroup,
) -> Result<Vec<OffsetFetchResponseTopics>, ErrorCode> {
    let id = &request.group_id;
    allow(broker, context, Operation::Describe, &id.0)?;
    may_fetch(broker, &request, &id.0)?;
    match request.topics {
        None => all(broker, context, id).await,
        Some(topics) => some(broker, context, id, topics).await,
    }
}

fn may_fetch(broker: &Broker, request: &OffsetFetchRequestGroup, id: &str) -> Result<(), ErrorCode> {
    let checked = broker
        .groups
        .with_shard(id, |shard, _| match (&request.member_id, shard.group(id)) {
            (Some(member), Some(Group::Consumer(group))) if request.member_epoch > NO_MEMBER => {
                group.check_fetch(member, request.member_epoch)
            }
            _ => Ok(()),
        })?;
    checked.map_err(errors::of_group)
}

/// What was committed. The metastore is asked, so that a coordinator that was replaced tells nothing old: it is asked
/// before whether it still coordinates, and after.
async fn committed(
    broker: &Broker,
    id: &GroupId,
    partitions: Option<Vec<PartitionKey>>,
) -> Result<CommittedOffsets, ErrorCode> {
    let request = OffsetsRequest {
        group: Arc::from(&*id.0),
        partitions,
    };
    let found = broker.metastore.committed_offsets(&[request]).await;
    let mut found = found.map_err(|_| ErrorCode::CoordinatorNotAvailable)?;
    broker.groups.with_shard(&id.0, |_, _| ())?;
    Ok(found.pop().unwrap_or_default())
}

async fn all(
    broker: &Broker,
    context: &RequestContext,
    id: &GroupId,
) -> Result<Vec<OffsetFetchResponseTopics>, ErrorCode> {
    let found = committed(broker, id, None).await?;
    if found
        .iter()
        .any(|(partition, _)| broker.catalog.by_key(partition.topic).is_none())
    {
        let refreshed = broker.catalog.refresh_paced().await;
        refreshed.map_err(|_| ErrorCode::CoordinatorNotAvailable)?;
    }
    let mut topics: BTreeMap<String, Vec<OffsetFetchResponsePartitions>> = BTreeMap::new();
    for (partition, offset) in found {
        // Those of deleted topics go by and by.
        let Some(state) = broker.catalog.by_key(partition.topic) else {
            continue;
        };
        let name = &state.topic.name;
        if broker
            .authorizer
            .allows(context, Operation::Describe, Resource::Topic(name))
        {
            topics
                .entry(name.clone())
                .or_default()
                .push(told(partition.partition, &offset));
        }
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        let name = TopicName(StrBytes::from_string(name));
        OffsetFetchResponseTopics::default()
            .with_name(name)
            .with_partitions(partitions)
    });
    Ok(topics.collect())
}

async fn some(
    broker: &Broker,
    context: &RequestContext,
    id: &GroupId,
    topics: Vec<OffsetFetchRequestTopics>,
) -> Result<Vec<OffsetFetchResponseTopics>, ErrorCode> {
    let mut resolver = Resolver::new(broker, context, Operation::Describe);
    let mut resolved = Vec::with_capacity(topics.len());
    for topic in topics {
        let state = resolver.topic(TopicRef::Name(&topic.name)).await;
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for index in topic.partition_indexes {
            let partition = match &state {
                Ok(state) => resolver.partition(state, index).await,
                Err(error) => Err(*error),
            };
            partitions.push((index, existing(partition)?));
        }
        resolved.push((topic.name, partitions));
    }
    let keys = resolved.iter().flat_map(|(_, partitions)| partitions);
    let mut keys: Vec<_> = keys.filter_map(|(_, found)| found.ok().flatten()).collect();
    keys.sort_unstable();
    keys.dedup();
    let found: BTreeMap<_, _> = committed(broker, id, Some(keys)).await?.into_iter().collect();
    let topics = resolved.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, partition)| match partition {
            Err(error) => nothing(index, error.code()),
            Ok(key) => key
                .and_then(|key| found.get(&key))
                .map_or(nothing(index, 0), |offset| told(index, offset)),
        });
        OffsetFetchResponseTopics::default()
            .with_name(name)
            .with_partitions(partitions.collect())
    });
    Ok(topics.collect())
}

/// A partition that offsets may be there for; `Ok(None)` for one that does not exist. The outer error: nothing can be
/// said of any.
fn existing(
    partition: Result<PartitionKey, ErrorCode>,
) -> Result<Result<Option<PartitionKey>, ErrorCode>, ErrorCode> {
    match partition {
        Ok(partition) => Ok(Ok(Some(partition))),
        Err(ErrorCode::UnknownTopicOrPartition) => Ok(Ok(None)),
        Err(error @ ErrorCode::TopicAuthorizationFailed) => Ok(Err(error)),
        Err(error) => Err(as_told(error)),
    }
}

fn told(index: i32, committed: &CommittedOffset) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions::default()
        .with_partition_index(index)
        .with_committed_offset(committed.offset)
        .with_committed_leader_epoch(committed.leader_epoch)
        .with_metadata(Some(StrBytes::from_string(committed.metadata.to_string())))
}

/// A partition that none was committed for.
fn nothing(index: i32, error: i16) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions::default()
        .with_partition_index(index)
        .with_committed_offset(NO_OFFSET)
        .with_committed_leader_epoch(NO_EPOCH)
        .with_metadata(Some(StrBytes::default()))
        .with_error_code(error)
}
