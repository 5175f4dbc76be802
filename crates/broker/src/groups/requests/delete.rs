//! DeleteGroups 0-2: groups without members go, with their offsets.

use std::collections::BTreeSet;

use esker_protocol::ErrorCode;
use esker_protocol::messages::delete_groups_response::DeletableGroupResult;
use esker_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use super::allow;
use crate::Broker;
use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::groups::shard::until_written;

/// Deletes groups. One that comes twice is answered once, as in Kafka.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut names = request.groups_names;
    let mut seen = BTreeSet::new();
    names.retain(|group| seen.insert(group.clone()));
    let begun: Vec<_> = names
        .iter()
        .map(|group| begin(broker, context, &group.0))
        .collect();
    let mut results = Vec::with_capacity(begun.len());
    for (group, written) in names.into_iter().zip(begun) {
        let done = match written {
            Ok(written) => until_written(written).await,
            Err(error) => Err(error),
        };
        let code = done.map_or_else(ErrorCode::code, |()| ErrorCode::None.code());
        results.push(
            DeletableGroupResult::default()
                .with_group_id(group)
                .with_error_code(code),
        );
    }
    DeleteGroupsResponse::default().with_results(results)
}

fn begin(
    broker: &Broker,
    context: &RequestContext,
    id: &str,
) -> Result<Option<crate::groups::shard::Written>, ErrorCode> {
    allow(broker, context, Operation::Delete, id)?;
    broker.groups.with_shard(id, |shard, _| {
        match shard.group(id).map(|group| group.is_empty()) {
            None => Err(ErrorCode::GroupIdNotFound),
            Some(false) => Err(ErrorCode::NonEmptyGroup),
            Some(true) => Ok(shard.delete(id)),
        }
    })?
}
