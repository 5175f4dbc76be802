//! ListGroups 0-5: the groups that this agent coordinates. Administrators ask all agents.
//!
//! While some groups are nobody's, or are being read, the answer is 15 or 14 and no list: all lists together would lack
//! them, and whoever asked would take them for deleted. Clients ask again.

use esker_protocol::messages::list_groups_response::ListedGroup;
use esker_protocol::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};
use esker_protocol::{ErrorCode, StrBytes};

use super::allow;
use crate::Broker;
use crate::authorizer::Operation;
use crate::context::RequestContext;

/// First version that tells and filters by state.
const STATE_VERSION: i16 = 4;
/// The same for the kind.
const KIND_VERSION: i16 = 5;

/// Lists groups.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: ListGroupsRequest,
) -> ListGroupsResponse {
    if !broker.membership().is_current() {
        return ListGroupsResponse::default().with_error_code(ErrorCode::CoordinatorNotAvailable.code());
    }
    if let Err(error) = broker.groups.leave_none_out() {
        return ListGroupsResponse::default().with_error_code(error.code());
    }
    let version = context.api_version;
    let mut listed = Vec::new();
    broker.groups.each_shard(|shard| {
        for (id, group) in shard.groups() {
            let (state, kind) = (group.state(), group.kind());
            let asked = is_named(&request.states_filter, &state) && is_named(&request.types_filter, kind);
            if !asked || allow(broker, context, Operation::Describe, id).is_err() {
                continue;
            }
            let mut one = ListedGroup::default()
                .with_group_id(GroupId(StrBytes::from_string(id.to_string())))
                .with_protocol_type(StrBytes::from_string(group.protocol_type().to_owned()));
            if version >= STATE_VERSION {
                one.group_state = StrBytes::from_string(state);
            }
            if version >= KIND_VERSION {
                one.group_type = StrBytes::from_static_str(kind);
            }
            listed.push(one);
        }
    });
    listed.sort_unstable_by(|a, b| a.group_id.0.cmp(&b.group_id.0));
    ListGroupsResponse::default().with_groups(listed)
}

/// Whether a filter names something, in whatever case; an empty one names everything.
fn is_named(filter: &[StrBytes], name: &str) -> bool {
    filter.is_empty() || filter.iter().any(|asked| asked.eq_ignore_ascii_case(name))
}
