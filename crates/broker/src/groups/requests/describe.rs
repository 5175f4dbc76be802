//! DescribeGroups 0-6: classic groups with their members.

use esker_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use esker_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use esker_protocol::{ErrorCode, StrBytes};

use super::allow;
use crate::Broker;
use crate::authorizer::Operation;
use crate::cluster::operations;
use crate::context::RequestContext;
use crate::groups::group::Group;

/// First version in which a group that is not there is an error.
const UNKNOWN_IS_ERROR_VERSION: i16 = 6;
/// First version that tells instance ids.
const INSTANCE_VERSION: i16 = 4;

/// Describes groups.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let groups = request.groups.into_iter().map(|id| {
        let mut group = describe(broker, context, id);
        if request.include_authorized_operations && group.error_code == 0 {
            group.authorized_operations = operations::of_group(broker, context, &group.group_id.0);
        }
        group
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn describe(broker: &Broker, context: &RequestContext, id: GroupId) -> DescribedGroup {
    let version = context.api_version;
    let blank = DescribedGroup::default()
        .with_group_id(id.clone())
        .with_authorized_operations(operations::NOT_ASKED);
    if let Err(error) = allow(broker, context, Operation::Describe, &id.0) {
        return blank.with_error_code(error.code());
    }
    let found = broker
        .groups
        .with_shard(&id.0, |shard, _| match shard.group(&id.0) {
            Some(Group::Classic(group)) => Some(group.describe()),
            _ => None,
        });
    let group = match found {
        Err(error) => return blank.with_error_code(error.code()),
        Ok(None) => return unknown(version, blank),
        Ok(Some(group)) => group,
    };
    let members = group.members.into_iter().map(|member| {
        let instance_id = member.instance_id.map(StrBytes::from_string);
        DescribedGroupMember::default()
            .with_member_id(StrBytes::from_string(member.member_id))
            .with_group_instance_id(instance_id.filter(|_| version >= INSTANCE_VERSION))
            .with_client_id(text(&member.client_id))
            .with_client_host(text(&member.client_host))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment)
    });
    blank
        .with_group_state(StrBytes::from_string(group.state.to_string()))
        .with_protocol_type(StrBytes::from_string(group.protocol_type.unwrap_or_default()))
        .with_protocol_data(StrBytes::from_string(group.protocol.unwrap_or_default()))
        .with_members(members.collect())
}

/// A group that is not there, or is of the other kind, is dead.
fn unknown(version: i16, blank: DescribedGroup) -> DescribedGroup {
    let dead = blank.with_group_state(StrBytes::from_static_str("Dead"));
    if version < UNKNOWN_IS_ERROR_VERSION {
        return dead;
    }
    let message = format!("Group {} not found.", &*dead.group_id.0);
    dead.with_error_code(ErrorCode::GroupIdNotFound.code())
        .with_error_message(Some(StrBytes::from_string(message)))
}

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
