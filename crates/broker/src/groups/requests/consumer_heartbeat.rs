//! ConsumerGroupHeartbeat 0-1 (KIP-848): a member joins, is there, owns, or leaves; the answer says what it is to own.

use std::sync::Arc;
use std::time::Duration;

use esker_model::TopicUuid;
use esker_model::groups::consumer::{Heartbeat, HeartbeatReply, is_blank};
use esker_model::groups::{GroupError, REBALANCE_TIMEOUT_DEFAULT};
use esker_protocol::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use esker_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use esker_protocol::{ErrorCode, StrBytes};

use super::allow;
use crate::authorizer::{Operation, Resource};
use crate::context::RequestContext;
use crate::groups::group::Group;
use crate::groups::members;
use crate::groups::shard::{Shard, until_written};
use crate::{Broker, errors};

/// First version in which members draw their own ids.
const OWN_ID_VERSION: i16 = 1;

/// The epoch with which a member joins.
const JOIN: i32 = 0;

/// The rebalance timeout of a member whose did not change.
const AS_BEFORE: i32 = -1;

/// Hears a member.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    match hear(broker, context, request).await {
        Ok(reply) => answer(reply),
        Err(refused) => ConsumerGroupHeartbeatResponse::default()
            .with_error_code(refused.error.code())
            .with_error_message(Some(StrBytes::from_string(refused.message))),
    }
}

struct Refused {
    error: ErrorCode,
    message: String,
}

impl From<ErrorCode> for Refused {
    fn from(error: ErrorCode) -> Self {
        let message = error.name().to_owned();
        Self { error, message }
    }
}

impl From<GroupError> for Refused {
    fn from(error: GroupError) -> Self {
        Self {
            error: errors::of_group(error),
            message: error.to_string(),
        }
    }
}

async fn hear(
    broker: &Broker,
    context: &RequestContext,
    request: ConsumerGroupHeartbeatRequest,
) -> Result<HeartbeatReply, Refused> {
    let id = request.group_id.0.clone();
    if is_blank(&id) {
        return Err(ErrorCode::InvalidRequest.into());
    }
    allow(broker, context, Operation::Read, &id)?;
    let topics = request.subscribed_topic_names.iter().flatten();
    for topic in topics {
        if !broker
            .authorizer
            .allows(context, Operation::Describe, Resource::Topic(topic))
        {
            return Err(ErrorCode::TopicAuthorizationFailed.into());
        }
    }
    let groups = &broker.groups;
    let joins = request.member_epoch == JOIN;
    let heartbeat = heartbeat(broker, context, request);
    heartbeat.check()?;
    if joins && !groups.has_memory() {
        return Err(ErrorCode::CoordinatorNotAvailable.into());
    }
    let (outcome, written) = groups.with_shard(&id, |shard, now| {
        begin(shard, &id, joins)?;
        let Some(Group::Consumer(group)) = shard.group(&id) else {
            return Err(ErrorCode::GroupIdNotFound);
        };
        let (outcome, keep) = group.heartbeat(now, heartbeat, &groups.topics(), &groups.limits_of(&id));
        Ok((outcome, shard.keep(&id, keep)))
    })??;
    let waits = written.is_some();
    until_written(written).await?;
    if waits && let Ok(reply) = &outcome {
        groups.answered(&id, &reply.member_id);
    }
    outcome.map_err(Refused::from)
}

/// Makes a group of one that has no members, if somebody joins.
fn begin(shard: &mut Shard, id: &str, joins: bool) -> Result<(), ErrorCode> {
    let there = match shard.group(id) {
        Some(Group::Consumer(_)) => return Ok(()),
        Some(group) => Some(group.is_empty()),
        None => None,
    };
    match there {
        _ if !joins => Err(ErrorCode::GroupIdNotFound),
        Some(false) => Err(ErrorCode::GroupIdNotFound),
        Some(true) => {
            shard.replace(id, Group::new_consumer());
            Ok(())
        }
        None if !shard.has_room(id) => Err(ErrorCode::CoordinatorNotAvailable),
        None => {
            shard.group_or(id, Group::new_consumer);
            Ok(())
        }
    }
}

fn heartbeat(broker: &Broker, context: &RequestContext, request: ConsumerGroupHeartbeatRequest) -> Heartbeat {
    let names = request.subscribed_topic_names;
    let owned = request.topic_partitions;
    Heartbeat {
        new_member_id: (context.api_version < OWN_ID_VERSION)
            .then(|| members::new_id(broker.seams.rng.as_ref(), &context.client_id)),
        member_id: request.member_id.to_string(),
        member_epoch: request.member_epoch,
        instance_id: request.instance_id.map(|id| id.to_string()),
        rack: request.rack_id.map(|rack| rack.to_string()),
        rebalance_timeout: rebalance_timeout(request.rebalance_timeout_ms),
        subscribed_names: names.map(|names| names.into_iter().map(|name| name.to_string()).collect()),
        subscribed_regex: request.subscribed_topic_regex.map(|regex| regex.to_string()),
        assignor: request.server_assignor.map(|assignor| assignor.to_string()),
        owned: owned.map(|owned| {
            let topics = owned.into_iter();
            topics
                .map(|topic| (TopicUuid(topic.topic_id), topic.partitions))
                .collect()
        }),
        client_id: Arc::clone(&context.client_id),
        client_host: members::host(context),
    }
}

/// Kafka takes any number but -1 for the timeout, and fences a member with a negative one as soon as it has to give
/// something up: it gets an ordinary one here.
fn rebalance_timeout(told_ms: i32) -> Option<Duration> {
    if told_ms == AS_BEFORE {
        return None;
    }
    Some(u64::try_from(told_ms).map_or(REBALANCE_TIMEOUT_DEFAULT, Duration::from_millis))
}

fn answer(reply: HeartbeatReply) -> ConsumerGroupHeartbeatResponse {
    let assignment = reply.assignment.map(|topics| {
        let topics = topics.into_iter().map(|(topic, partitions)| {
            TopicPartitions::default()
                .with_topic_id(topic.0)
                .with_partitions(partitions)
        });
        Assignment::default().with_topic_partitions(topics.collect())
    });
    let interval = i32::try_from(reply.heartbeat_interval.as_millis()).unwrap_or(i32::MAX);
    ConsumerGroupHeartbeatResponse::default()
        .with_member_id(Some(StrBytes::from_string(reply.member_id)))
        .with_member_epoch(reply.member_epoch)
        .with_heartbeat_interval_ms(interval)
        .with_assignment(assignment)
}
