//! FindCoordinator 0-5: which agent coordinates a group or a transactional id.
//!
//! Neither groups nor transactions exist yet. A group's members are told 15, which every client repeats
//! until a coordinator is there. A transactional producer would wait for its whole timeout that way and
//! then report a timeout; it gets 53, the one answer that every client takes as final.

use esker_protocol::messages::find_coordinator_response::Coordinator;
use esker_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use esker_protocol::{ErrorCode, StrBytes};
use tracing::warn;

use crate::Broker;
use crate::context::RequestContext;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// First version that asks for many keys at once (KIP-699).
const BATCH_VERSION: i16 = 4;

/// "Nobody", in the place of a broker.
const NOBODY: BrokerId = BrokerId(-1);

/// Says that nobody coordinates.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    if request.key_type == GROUP {
        broker.groups_wanted.tell(|untold| {
            warn!(
                client = %context.client_id, untold,
                "a client asks for a consumer group: groups are not served yet, it must assign its partitions"
            );
        });
    }
    answer(context.api_version, request)
}

fn answer(version: i16, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let (code, message) = match request.key_type {
        GROUP => (
            ErrorCode::CoordinatorNotAvailable,
            "consumer groups are not served yet",
        ),
        TRANSACTION => (
            ErrorCode::TransactionalIdAuthorizationFailed,
            "transactions are not served yet",
        ),
        _ => (ErrorCode::InvalidRequest, "unknown coordinator type"),
    };
    let message = Some(StrBytes::from_static_str(message));
    let response = FindCoordinatorResponse::default();
    if version < BATCH_VERSION {
        return response
            .with_error_code(code.code())
            .with_error_message(message)
            .with_node_id(NOBODY)
            .with_port(-1);
    }
    let coordinators = request.coordinator_keys.into_iter().map(|key| {
        Coordinator::default()
            .with_key(key)
            .with_error_code(code.code())
            .with_error_message(message.clone())
            .with_node_id(NOBODY)
            .with_port(-1)
    });
    response.with_coordinators(coordinators.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
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

    #[test]
    fn one_key_before_version_4_many_after() {
        for (kind, code) in [(0, 15), (1, 53), (2, 42), (7, 42), (-1, 42)] {
            for version in 0..=5 {
                let request = FindCoordinatorRequest::default()
                    .with_key_type(kind)
                    .with_coordinator_keys(vec!["a".into(), "".into()]);
                let response = answer(version, request);
                encodes(version, &response);
                if version < 4 {
                    assert_eq!((response.error_code, response.coordinators.len()), (code, 0));
                    assert_eq!(response.node_id.0, -1);
                } else {
                    let keys: Vec<_> = response.coordinators.iter().map(|c| c.key.as_str()).collect();
                    assert_eq!(keys, ["a", ""]);
                    assert!(
                        response
                            .coordinators
                            .iter()
                            .all(|c| c.error_code == code && c.node_id.0 == -1)
                    );
                    assert_eq!(response.error_code, 0);
                }
            }
        }
    }
}
