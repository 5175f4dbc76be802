//! SyncGroup 0-5: the leader of a classic group hands in the assignment, and each member gets its own.

use esker_model::groups::classic::{Answer, Sync, Synced};
use esker_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use esker_protocol::{ErrorCode, StrBytes};

use super::{allow, named};
use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::groups::group::Group;
use crate::{Broker, errors};

/// First version in which a member has to say what protocol it means (KIP-559).
const PROTOCOL_VERSION: i16 = 5;

/// Lets a member wait for its assignment.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: SyncGroupRequest,
) -> SyncGroupResponse {
    match sync(broker, context, request).await {
        Ok(synced) => SyncGroupResponse::default()
            .with_protocol_type(synced.protocol_type.map(StrBytes::from_string))
            .with_protocol_name(synced.protocol.map(StrBytes::from_string))
            .with_assignment(synced.assignment),
        Err(error) => SyncGroupResponse::default().with_error_code(error.code()),
    }
}

async fn sync(
    broker: &Broker,
    context: &RequestContext,
    request: SyncGroupRequest,
) -> Result<Synced, ErrorCode> {
    let says_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    if context.api_version >= PROTOCOL_VERSION && !says_protocol {
        return Err(ErrorCode::InconsistentGroupProtocol);
    }
    let id = request.group_id.0.clone();
    named(&id)?;
    allow(broker, context, Operation::Read, &id)?;
    let groups = &broker.groups;
    let assignments = request.assignments.into_iter();
    let sync = Sync {
        member_id: request.member_id.to_string(),
        instance_id: request.group_instance_id.map(|id| id.to_string()),
        generation: request.generation_id,
        protocol_type: request.protocol_type.map(|kind| kind.to_string()),
        protocol: request.protocol_name.map(|name| name.to_string()),
        assignments: assignments
            .map(|one| (one.member_id.to_string(), one.assignment))
            .collect(),
    };
    let member_id = sync.member_id.clone();
    let call = groups.next_call();
    let answered = groups.with_shard(&id, |shard, now| {
        let Some(Group::Classic(group)) = shard.group(&id) else {
            return Err(ErrorCode::UnknownMemberId);
        };
        let effects = group.sync(now, call, sync);
        Ok(shard.wait(&id, call, effects))
    })??;
    match answered.await {
        Ok(Answer::Sync(Ok(synced))) => {
            groups.answered(&id, &member_id);
            Ok(synced)
        }
        Ok(Answer::Sync(Err(error))) => Err(errors::of_group(error)),
        Ok(Answer::Join(_)) | Err(_) => Err(ErrorCode::NotCoordinator),
    }
}
