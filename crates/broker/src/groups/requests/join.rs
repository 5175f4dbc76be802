//! JoinGroup 0-9: a member of a classic group wants to take part in the next generation.

use std::sync::Arc;
use std::time::Duration;

use esker_model::groups::classic::{Answer, Join, JoinRefused, Joined};
use esker_protocol::messages::join_group_response::JoinGroupResponseMember;
use esker_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use esker_protocol::{ErrorCode, StrBytes};

use super::{allow, named};
use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::groups::group::Group;
use crate::groups::members;
use crate::{Broker, errors};

/// First version with a rebalance timeout of its own.
const REBALANCE_TIMEOUT_VERSION: i16 = 1;
/// First version in which a new member is told its id before it joins (KIP-394).
const ID_REQUIRED_VERSION: i16 = 4;
/// First version whose answer names the protocol type.
const PROTOCOL_TYPE_VERSION: i16 = 7;
/// First version in which a leader can be told not to assign (KIP-814).
const SKIP_ASSIGNMENT_VERSION: i16 = 9;

/// No generation.
const NO_GENERATION: i32 = -1;

/// Lets a member join; answers when the group has decided.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: JoinGroupRequest,
) -> JoinGroupResponse {
    let version = context.api_version;
    let member_id = request.member_id.clone();
    match join(broker, context, request).await {
        Ok(joined) => answer(version, joined),
        Err(refused) => {
            let member_id = refused.member_id.map_or(member_id, StrBytes::from_string);
            refuse(version, refused.error, member_id)
        }
    }
}

struct Refused {
    error: ErrorCode,
    /// The id to come again with.
    member_id: Option<String>,
}

impl From<ErrorCode> for Refused {
    fn from(error: ErrorCode) -> Self {
        Self {
            error,
            member_id: None,
        }
    }
}

async fn join(
    broker: &Broker,
    context: &RequestContext,
    request: JoinGroupRequest,
) -> Result<Joined, Refused> {
    let id = request.group_id.0.clone();
    named(&id)?;
    allow(broker, context, Operation::Read, &id)?;
    let groups = &broker.groups;
    let join = member(broker, context, request);
    let call = groups.next_call();
    let answered = groups.with_shard(&id, |shard, now| {
        if !groups.has_memory() || !shard.has_room(&id) {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        // A group of the other kind takes no member of this one as long as it has members.
        let may_begin = matches!(shard.group(&id), Some(Group::Consumer(group)) if group.is_empty());
        if may_begin {
            shard.replace(&id, Group::new_classic());
        }
        let group = shard.group_or(&id, Group::new_classic);
        let Group::Classic(group) = group else {
            return Err(ErrorCode::InconsistentGroupProtocol);
        };
        let effects = group.join(now, call, join, &groups.limits);
        Ok(shard.wait(&id, call, effects))
    })??;
    match answered.await {
        Ok(Answer::Join(Ok(joined))) => {
            groups.answered(&id, &joined.member_id);
            Ok(joined)
        }
        Ok(Answer::Join(Err(JoinRefused { error, member_id }))) => Err(Refused {
            error: errors::of_group(error),
            member_id: Some(member_id),
        }),
        Ok(Answer::Sync(_)) | Err(_) => Err(ErrorCode::NotCoordinator.into()),
    }
}

fn member(broker: &Broker, context: &RequestContext, request: JoinGroupRequest) -> Join {
    let version = context.api_version;
    let instance_id = request.group_instance_id.map(|id| id.to_string());
    let name = instance_id.as_deref().unwrap_or(&context.client_id);
    let session_timeout = millis(request.session_timeout_ms);
    let protocols = request.protocols.into_iter();
    Join {
        new_member_id: members::new_id(broker.seams.rng.as_ref(), name),
        member_id: request.member_id.to_string(),
        client_id: Arc::clone(&context.client_id),
        client_host: members::host(context),
        session_timeout,
        rebalance_timeout: if version < REBALANCE_TIMEOUT_VERSION {
            session_timeout
        } else {
            millis(request.rebalance_timeout_ms)
        },
        protocol_type: request.protocol_type.to_string(),
        protocols: protocols
            .map(|protocol| (protocol.name.to_string(), protocol.metadata))
            .collect(),
        id_required: version >= ID_REQUIRED_VERSION && instance_id.is_none(),
        can_skip_assignment: version >= SKIP_ASSIGNMENT_VERSION,
        reason: request.reason.map(|reason| reason.to_string()),
        instance_id,
    }
}

/// Milliseconds of the wire; less than none is none.
pub(super) fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

fn answer(version: i16, joined: Joined) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|member| {
        JoinGroupResponseMember::default()
            .with_member_id(StrBytes::from_string(member.member_id))
            .with_group_instance_id(member.instance_id.map(StrBytes::from_string))
            .with_metadata(member.metadata)
    });
    JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_type(joined.protocol_type.map(StrBytes::from_string))
        .with_protocol_name(protocol_name(version, joined.protocol.map(StrBytes::from_string)))
        .with_leader(StrBytes::from_string(joined.leader))
        .with_skip_assignment(joined.skip_assignment)
        .with_member_id(StrBytes::from_string(joined.member_id))
        .with_members(members.collect())
}

fn refuse(version: i16, error: ErrorCode, member_id: StrBytes) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(error.code())
        .with_generation_id(NO_GENERATION)
        .with_protocol_name(protocol_name(version, None))
        .with_member_id(member_id)
}

/// Versions that cannot leave the name out have an empty one.
fn protocol_name(version: i16, name: Option<StrBytes>) -> Option<StrBytes> {
    if version < PROTOCOL_TYPE_VERSION {
        Some(name.unwrap_or_default())
    } else {
        name
    }
}
