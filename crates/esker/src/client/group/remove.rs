//! Removing groups, and members from groups.

use std::time::Duration;

use esker_protocol::messages::leave_group_request::MemberIdentity;
use esker_protocol::messages::{DeleteGroupsRequest, LeaveGroupRequest};

use super::{Coordinator, group_id, text};
use crate::client::{ClientError, Cluster, Result};

/// From this version on LeaveGroup names several members, and static ones.
const LEAVE_SEVERAL: i16 = 3;
/// From this version on it says why.
const LEAVE_REASON: i16 = 5;

/// Deletes a group that has no members, with the offsets that it committed.
pub(crate) async fn delete(cluster: &mut Cluster, coordinator: &mut Coordinator) -> Result<()> {
    let group = coordinator.group().to_owned();
    let build = |_| Ok(DeleteGroupsRequest::default().with_groups_names(vec![group_id(&group)]));
    let response = coordinator
        .ask(cluster, Duration::ZERO, build, |response| {
            response.results.first().map_or(0, |result| result.error_code)
        })
        .await?;
    let result = response
        .results
        .first()
        .ok_or_else(|| ClientError::Input(format!("no answer about group {group}")))?;
    ClientError::check(result.error_code, || format!("cannot delete group {group}"), None)
}

/// A member that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// A static member, by the name that it gave itself.
    Instance(String),
    /// A member by its id.
    Member(String),
}

impl std::fmt::Display for Leaving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Instance(id) => write!(f, "instance {id}"),
            Self::Member(id) => write!(f, "member {id}"),
        }
    }
}

/// A LeaveGroup in this version for one member.
fn leave_request(version: i16, group: &str, leaving: &Leaving, reason: &str) -> Result<LeaveGroupRequest> {
    let request = LeaveGroupRequest::default().with_group_id(group_id(group));
    let mut identity = MemberIdentity::default();
    match leaving {
        Leaving::Member(id) if version < LEAVE_SEVERAL => return Ok(request.with_member_id(text(id))),
        Leaving::Instance(_) if version < LEAVE_SEVERAL => {
            return Err(ClientError::Input(format!(
                "this broker does not remove members of group {group} by instance id: stop the member"
            )));
        }
        Leaving::Member(id) => identity.member_id = text(id),
        Leaving::Instance(id) => identity.group_instance_id = Some(text(id)),
    }
    if version >= LEAVE_REASON {
        identity.reason = Some(text(reason));
    }
    Ok(request.with_members(vec![identity]))
}

/// Lets a member leave its group: the others take over at once.
pub(crate) async fn leave(
    cluster: &mut Cluster,
    coordinator: &mut Coordinator,
    leaving: &Leaving,
    reason: &str,
) -> Result<()> {
    let group = coordinator.group().to_owned();
    let build = |version| leave_request(version, &group, leaving, reason);
    let response = coordinator
        .ask(cluster, Duration::ZERO, build, |response| response.error_code)
        .await?;
    let what = || format!("cannot remove {leaving} from group {group}");
    ClientError::check(response.error_code, what, None)?;
    match response.members.first() {
        Some(member) => ClientError::check(member.error_code, what, None),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use esker_protocol::client::{encode_request, request_header};
    use esker_protocol::{api_key, versions};

    use super::*;

    #[test]
    fn every_version_can_be_sent() {
        let range = versions::range(api_key::LEAVE_GROUP).unwrap();
        for version in range.min..=range.max {
            let header = request_header::<LeaveGroupRequest>(version, 1, "c");
            let member = leave_request(version, "g", &Leaving::Member("m".to_owned()), "why").unwrap();
            assert!(encode_request(&header, &member).is_ok(), "{version}");
            match leave_request(version, "g", &Leaving::Instance("i".to_owned()), "why") {
                Ok(request) => assert!(encode_request(&header, &request).is_ok(), "{version}"),
                Err(_) => assert!(version < LEAVE_SEVERAL),
            }
        }
    }
}
