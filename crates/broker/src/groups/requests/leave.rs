//! LeaveGroup 0-5: members leave, or are removed by an administrator (by their instance ids), from groups of both kinds.

use esker_model::groups::GroupError;
use esker_model::groups::classic::MemberRef;
use esker_protocol::ErrorCode;
use esker_protocol::messages::leave_group_request::MemberIdentity;
use esker_protocol::messages::leave_group_response::MemberResponse;
use esker_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::{allow, named};
use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::groups::group::Group;
use crate::groups::shard::{Shard, Written, until_written};
use crate::{Broker, errors};

/// First version that names several members.
const MANY_VERSION: i16 = 3;

/// Lets members go.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    let many = context.api_version >= MANY_VERSION;
    let members = if many {
        request.members
    } else {
        vec![MemberIdentity::default().with_member_id(request.member_id)]
    };
    let left = leave(broker, context, &request.group_id.0, &members).await;
    let response = LeaveGroupResponse::default();
    match left {
        Ok(left) if many => {
            let answers = members.into_iter().zip(left).map(|(member, left)| {
                MemberResponse::default()
                    .with_member_id(member.member_id)
                    .with_group_instance_id(member.group_instance_id)
                    .with_error_code(code(left).code())
            });
            response.with_members(answers.collect())
        }
        Ok(left) => response.with_error_code(left.into_iter().next().map_or(0, |left| code(left).code())),
        Err(error) => response.with_error_code(error.code()),
    }
}

fn code(left: Result<(), GroupError>) -> ErrorCode {
    left.map_or_else(errors::of_group, |()| ErrorCode::None)
}

type Left = Vec<Result<(), GroupError>>;

async fn leave(
    broker: &Broker,
    context: &RequestContext,
    id: &str,
    members: &[MemberIdentity],
) -> Result<Left, ErrorCode> {
    named(id)?;
    allow(broker, context, Operation::Read, id)?;
    let identity = |member: &MemberIdentity| MemberRef {
        member_id: member.member_id.to_string(),
        instance_id: member.group_instance_id.as_ref().map(ToString::to_string),
    };
    let members: Vec<MemberRef> = members.iter().map(identity).collect();
    let (left, written) = broker.groups.with_shard(id, |shard, now| {
        let limits = &broker.groups.limits;
        match shard.group(id) {
            Some(Group::Classic(group)) => {
                let (left, effects) = group.leave(now, &members, limits);
                shard.heed(id, effects);
                let written = shard.when_written(id);
                (left, written)
            }
            Some(Group::Consumer(_)) => leave_consumer(shard, id, now, &members),
            Some(Group::Gone) | None => (vec![Err(GroupError::UnknownMemberId); members.len()], None),
        }
    })?;
    until_written(written).await?;
    Ok(left)
}

fn leave_consumer(
    shard: &mut Shard,
    id: &str,
    now: esker_model::seams::Instant,
    members: &[MemberRef],
) -> (Left, Option<Written>) {
    let mut left = Left::with_capacity(members.len());
    for member in members {
        let Some(Group::Consumer(group)) = shard.group(id) else {
            break;
        };
        let instance = member.instance_id.as_deref();
        let (outcome, keep) = group.leave(now, &member.member_id, instance);
        left.push(outcome);
        drop(shard.keep(id, keep));
    }
    (left, shard.when_written(id))
}
