//! What clients ask of groups: one module for each request.

pub(crate) mod consumer_describe;
pub(crate) mod consumer_heartbeat;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod heartbeat;
pub(crate) mod join;
pub(crate) mod leave;
pub(crate) mod list;
pub(crate) mod sync;

use esker_protocol::ErrorCode;

use crate::Broker;
use crate::authorizer::{Operation, Resource};
use crate::context::RequestContext;

/// Asks the authorizer; 30 if the answer is no.
pub(super) fn allow(
    broker: &Broker,
    context: &RequestContext,
    operation: Operation,
    group: &str,
) -> Result<(), ErrorCode> {
    if broker
        .authorizer
        .allows(context, operation, Resource::Group(group))
    {
        Ok(())
    } else {
        Err(ErrorCode::GroupAuthorizationFailed)
    }
}

/// 24 for the empty id, which only offsets may be kept under.
pub(super) fn named(group: &str) -> Result<(), ErrorCode> {
    if group.is_empty() {
        Err(ErrorCode::InvalidGroupId)
    } else {
        Ok(())
    }
}
