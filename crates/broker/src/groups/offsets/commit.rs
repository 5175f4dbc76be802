//! OffsetCommit 2-9: where a group goes on reading, by its members, or by anybody as long as it has none.
//!
//! What holds: an answer without error comes after the offset was written; offsets that cannot be kept (the topic does not
//! exist, too much metadata) do not stop the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use esker_metastore::CommittedOffset;
use esker_model::PartitionKey;
use esker_model::groups::GroupError;
use esker_model::groups::classic::MemberRef;
use esker_model::planted::{Mistake, planted};
use esker_model::seams::Instant;
use esker_protocol::ErrorCode;
use esker_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use esker_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use esker_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};

use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::fetch::resolve::{Resolver, TopicRef};
use crate::groups::group::Group;
use crate::groups::requests::allow;
use crate::groups::shard::{Shard, until_written};
use crate::{Broker, errors};

use super::NO_MEMBER;

/// First version that members of KIP-848 may use, and whose clients know what it is answered with.
const MEMBER_EPOCH_VERSION: i16 = 9;

/// The offsets of a request that can be kept.
type Offsets = BTreeMap<PartitionKey, Option<CommittedOffset>>;

/// Keeps offsets.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    mut request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let topics = std::mem::take(&mut request.topics);
    if let Err(error) = allow(broker, context, Operation::Read, &request.group_id.0) {
        let refused = topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|asked| answer(asked, error));
            OffsetCommitResponseTopic::default()
                .with_name(topic.name)
                .with_partitions(partitions.collect())
        });
        return OffsetCommitResponse::default().with_topics(refused.collect());
    }
    let mut resolver = Resolver::new(broker, context, Operation::Read);
    let mut offsets = Offsets::new();
    let mut answers = Vec::with_capacity(topics.len());
    for topic in topics {
        let state = resolver.topic(TopicRef::Name(&topic.name)).await.map_err(as_told);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let error = match &state {
                Ok(state) => match resolver
                    .partition(state, asked.partition_index)
                    .await
                    .map_err(as_told)
                {
                    Ok(partition) => take(broker, asked, partition, &mut offsets),
                    Err(error) => error,
                },
                Err(error) => *error,
            };
            partitions.push(answer(asked, error));
        }
        let topic = OffsetCommitResponseTopic::default().with_name(topic.name);
        answers.push(topic.with_partitions(partitions));
    }
    if let Err(error) = commit(broker, context, &request, offsets).await {
        let kept = answers.iter_mut().flat_map(|topic| &mut topic.partitions);
        for partition in kept.filter(|partition| partition.error_code == 0) {
            partition.error_code = error.code();
        }
    }
    OffsetCommitResponse::default().with_topics(answers)
}

/// Whether a topic is there could not be asked: clients repeat that with 15, which they do not with 56.
pub(super) fn as_told(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::KafkaStorageError | ErrorCode::NotLeaderOrFollower => ErrorCode::CoordinatorNotAvailable,
        error => error,
    }
}

fn take(
    broker: &Broker,
    asked: &OffsetCommitRequestPartition,
    partition: PartitionKey,
    offsets: &mut Offsets,
) -> ErrorCode {
    let metadata = asked.committed_metadata.as_deref().unwrap_or_default();
    let units = metadata.encode_utf16().count();
    if units > broker.groups.limits.offset_metadata_units {
        return ErrorCode::OffsetMetadataTooLarge;
    }
    let committed = CommittedOffset {
        offset: asked.committed_offset,
        leader_epoch: asked.committed_leader_epoch,
        metadata: Arc::from(metadata),
    };
    offsets.insert(partition, Some(committed));
    ErrorCode::None
}

fn answer(asked: &OffsetCommitRequestPartition, error: ErrorCode) -> OffsetCommitResponsePartition {
    OffsetCommitResponsePartition::default()
        .with_partition_index(asked.partition_index)
        .with_error_code(error.code())
}

async fn commit(
    broker: &Broker,
    context: &RequestContext,
    request: &OffsetCommitRequest,
    offsets: Offsets,
) -> Result<(), ErrorCode> {
    let id = &*request.group_id.0;
    let member = MemberRef {
        member_id: request.member_id.to_string(),
        instance_id: request.group_instance_id.as_ref().map(ToString::to_string),
    };
    let generation = request.generation_id_or_member_epoch;
    let count = offsets.len() as u64;
    let written = broker.groups.with_shard(id, |shard, now| {
        match may_commit(shard, id, now, &member, generation, context.api_version) {
            Err(_) if planted(Mistake::FormerMemberCommits) => {}
            allowed => allowed?,
        }
        let written = if offsets.is_empty() {
            None
        } else {
            shard.put_offsets(id, offsets)
        };
        shard.touched(id);
        Ok(written)
    })??;
    until_written(written).await?;
    broker.metrics.groups.offset_commits.inc_by(count);
    Ok(())
}

/// Whether somebody may commit. A group that nobody knows begins with the first commit from outside.
fn may_commit(
    shard: &mut Shard,
    id: &str,
    now: Instant,
    member: &MemberRef,
    generation: i32,
    version: i16,
) -> Result<(), ErrorCode> {
    let has_room = shard.has_room(id);
    let allowed = match shard.group(id) {
        Some(Group::Classic(group)) => group.check_commit(now, member, generation),
        Some(Group::Consumer(group)) => {
            let from_outside = generation <= NO_MEMBER && group.is_empty();
            match group.check_commit(&member.member_id, member.instance_id.as_deref(), generation) {
                // A member, whatever its epoch.
                Ok(()) | Err(GroupError::StaleMemberEpoch)
                    if version < MEMBER_EPOCH_VERSION && !from_outside =>
                {
                    return Err(ErrorCode::UnsupportedVersion);
                }
                allowed => allowed,
            }
        }
        Some(Group::Gone) | None if generation > NO_MEMBER && version < MEMBER_EPOCH_VERSION => {
            Err(GroupError::IllegalGeneration)
        }
        Some(Group::Gone) | None if generation > NO_MEMBER => Err(GroupError::GroupIdNotFound),
        Some(Group::Gone) | None if !has_room => Err(GroupError::GroupMaxSizeReached),
        Some(Group::Gone) | None => {
            shard.group_or(id, Group::new_classic);
            Ok(())
        }
    };
    allowed.map_err(errors::of_group)
}
