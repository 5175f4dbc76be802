//! Heartbeat 0-4: a member of a classic group is there.

use esker_model::groups::classic::MemberRef;
use esker_protocol::ErrorCode;
use esker_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::{allow, named};
use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::groups::group::Group;
use crate::{Broker, errors};

/// Hears a member.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: HeartbeatRequest,
) -> HeartbeatResponse {
    let error = match hear(broker, context, &request) {
        Ok(()) => ErrorCode::None,
        Err(error) => error,
    };
    HeartbeatResponse::default().with_error_code(error.code())
}

fn hear(broker: &Broker, context: &RequestContext, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
    let id = &*request.group_id.0;
    named(id)?;
    allow(broker, context, Operation::Read, id)?;
    let member = MemberRef {
        member_id: request.member_id.to_string(),
        instance_id: request.group_instance_id.as_ref().map(ToString::to_string),
    };
    broker.groups.with_shard(id, |shard, now| {
        let Some(Group::Classic(group)) = shard.group(id) else {
            return Err(ErrorCode::UnknownMemberId);
        };
        let heard = group.heartbeat(now, &member, request.generation_id);
        shard.touched(id);
        heard.map_err(errors::of_group)
    })?
}
