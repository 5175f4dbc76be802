//! FindCoordinator 0-6: which agent coordinates a group or a transactional id.
//!
//! A group is coordinated by the agent that holds its shard; while nobody does, clients are told 15 and ask again.
//!
//! Version 6 only adds the coordinators of share groups (KIP-932), which do not exist here. It is served all the same:
//! a client that is told which Kafka it talks to, and asks for no versions, sends it to a 4.0.
//!
//! Transactions do not exist yet. With 15 a transactional producer would wait for its whole timeout and then report a
//! timeout; it gets 53, the one answer that every client takes as final.

use esker_protocol::messages::find_coordinator_response::Coordinator;
use esker_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use esker_protocol::{ErrorCode, StrBytes};

use super::brokers::{Brokers, KnownBroker};
use crate::Broker;
use crate::authorizer::{Operation, Resource};
use crate::context::RequestContext;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// First version that asks for many keys at once (KIP-699).
const BATCH_VERSION: i16 = 4;

/// "Nobody", in the place of a broker.
const NOBODY: BrokerId = BrokerId(-1);

/// Who coordinates something, or why nobody is named.
type Found = Result<KnownBroker, (ErrorCode, &'static str)>;

/// Says who coordinates.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let brokers = Brokers::known_to(broker, context);
    let kind = request.key_type;
    answer(context.api_version, request, |key| match kind {
        GROUP => of_group(broker, context, &brokers, key),
        TRANSACTION => Err((
            ErrorCode::TransactionalIdAuthorizationFailed,
            "transactions are not served yet",
        )),
        _ => Err((ErrorCode::InvalidRequest, "unknown coordinator type")),
    })
}

fn of_group(broker: &Broker, context: &RequestContext, brokers: &Brokers, group: &str) -> Found {
    let resource = Resource::Group(group);
    if !broker.authorizer.allows(context, Operation::Describe, resource) {
        return Err((ErrorCode::GroupAuthorizationFailed, "not allowed"));
    }
    let nobody = (
        ErrorCode::CoordinatorNotAvailable,
        "no agent coordinates this group at the moment",
    );
    let owner = broker.groups.owners().of(group).ok_or(nobody)?;
    let live = broker.member.live();
    let agent = live
        .iter()
        .find(|agent| agent.incarnation == owner)
        .ok_or(nobody)?;
    brokers.find(agent.node_id).cloned().ok_or(nobody)
}

fn answer(
    version: i16,
    request: FindCoordinatorRequest,
    find: impl Fn(&str) -> Found,
) -> FindCoordinatorResponse {
    if version < BATCH_VERSION {
        return match find(&request.key) {
            Ok(found) => FindCoordinatorResponse::default()
                .with_node_id(BrokerId(found.id.0))
                .with_host(found.host)
                .with_port(found.port),
            Err((code, message)) => FindCoordinatorResponse::default()
                .with_error_code(code.code())
                .with_error_message(Some(StrBytes::from_static_str(message)))
                .with_node_id(NOBODY)
                .with_port(-1),
        };
    }
    let coordinators = request.coordinator_keys.into_iter().map(|key| {
        let found = find(&key);
        let coordinator = Coordinator::default().with_key(key);
        match found {
            Ok(found) => coordinator
                .with_node_id(BrokerId(found.id.0))
                .with_host(found.host)
                .with_port(found.port),
            Err((code, message)) => coordinator
                .with_error_code(code.code())
                .with_error_message(Some(StrBytes::from_static_str(message)))
                .with_node_id(NOBODY)
                .with_port(-1),
        }
    });
    FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use esker_model::NodeId;
    use esker_protocol::response::encode_response;
    use esker_protocol::{RequestHeader, api_key};

    fn encodes(version: i16, response: &FindCoordinatorResponse) {
        let header = RequestHeader {
            api_key: api_key::FIND_COORDINATOR,
            api_version: version,
            correlation_id: 1,
            client_id: None,
        };
        encode_response(&header, response).unwrap();
    }

    fn find(key: &str) -> Found {
        match key {
            "a" => Ok(KnownBroker {
                id: NodeId(3),
                host: "here".into(),
                port: 9_092,
                rack: None,
            }),
            _ => Err((ErrorCode::CoordinatorNotAvailable, "nobody")),
        }
    }

    #[test]
    fn one_key_before_version_4_many_after() {
        for version in 0..=6 {
            let request = FindCoordinatorRequest::default()
                .with_key("a".into())
                .with_coordinator_keys(vec!["a".into(), "".into()]);
            let response = answer(version, request, find);
            encodes(version, &response);
            assert_eq!(response.error_code, 0);
            if version < 4 {
                assert_eq!((response.node_id.0, response.port), (3, 9_092));
                assert_eq!((response.host.as_str(), response.coordinators.len()), ("here", 0));
                continue;
            }
            let told: Vec<_> = response
                .coordinators
                .iter()
                .map(|c| (c.key.as_str(), c.error_code, c.node_id.0, c.host.as_str(), c.port))
                .collect();
            assert_eq!(told, [("a", 0, 3, "here", 9_092), ("", 15, -1, "", -1)]);
        }
    }

    #[test]
    fn nobody_is_named_where_there_is_nobody() {
        for version in 0..=3 {
            let request = FindCoordinatorRequest::default().with_key("b".into());
            let response = answer(version, request, find);
            encodes(version, &response);
            assert_eq!(
                (response.error_code, response.node_id.0, response.port),
                (15, -1, -1)
            );
        }
    }
}
