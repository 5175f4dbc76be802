//! Who leads, told along with an error that moves the client (KIP-951): it need not ask for metadata.

use esker_protocol::ErrorCode;
use esker_protocol::fetch_response::{FetchResponseParts, LeaderHint, NodeEndpointParts};

use super::asked::Asked;
use crate::Broker;
use crate::cluster::Brokers;
use crate::context::RequestContext;

/// First version whose clients look for a hint.
const LEADER_HINTS: i16 = 16;

/// Tells clients that are at the wrong agent, or behind in epochs, who leads. `places`: of each topic in the response
/// its place in the request.
pub(super) fn hint_leaders(
    broker: &Broker,
    context: &RequestContext,
    asked: &Asked,
    parts: &mut FetchResponseParts,
    places: &[usize],
) {
    let moves = |error| {
        matches!(
            error,
            ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch
        )
    };
    if context.api_version < LEADER_HINTS {
        return;
    }
    if !parts
        .topics
        .iter()
        .flat_map(|topic| &topic.partitions)
        .any(|one| moves(one.error))
    {
        return;
    }
    let brokers = Brokers::known_to(broker, context);
    for (topic, place) in parts.topics.iter_mut().zip(places) {
        let Some(state) = &asked.topics[*place].state else {
            continue;
        };
        for partition in topic.partitions.iter_mut().filter(|one| moves(one.error)) {
            let leader = brokers.place(state.topic.uuid, partition.index, 1).leader;
            let leader_epoch = broker.member.epoch().0;
            partition.current_leader = Some(LeaderHint {
                leader_id: leader.0,
                leader_epoch,
            });
            let named = parts.node_endpoints.iter().any(|node| node.node_id == leader.0);
            if let (false, Some(known)) = (named, brokers.all.iter().find(|one| one.id.0 == leader.0)) {
                parts.node_endpoints.push(NodeEndpointParts {
                    node_id: leader.0,
                    host: known.host.clone(),
                    port: known.port,
                    rack: known.rack.clone(),
                });
            }
        }
    }
}
