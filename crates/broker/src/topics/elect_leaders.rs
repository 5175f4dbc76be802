//! ElectLeaders 0-2: there is never anything to elect.
//!
//! Who leads a partition is a routing hint that every agent works out for itself, and no replica can lag behind.
//! So every partition that exists has the right leader already, whichever kind of election is asked for.

use esker_protocol::messages::elect_leaders_request::TopicPartitions;
use esker_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use esker_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};
use esker_protocol::{ErrorCode, StrBytes};

use crate::Broker;
use crate::authorizer::{Operation, Resource};
use crate::context::RequestContext;
use crate::errors::Failure;

/// Kinds of elections (KIP-460).
const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

/// Says of each partition that its leader is right. A request for all partitions names none: only partitions whose
/// leader changed would be listed.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: ElectLeadersRequest,
) -> ElectLeadersResponse {
    let topics = request.topic_partitions.unwrap_or_default();
    if !broker
        .authorizer
        .allows(context, Operation::Alter, Resource::Cluster)
    {
        let failure = Failure::new(ErrorCode::ClusterAuthorizationFailed, "not authorized");
        return refuse(context, topics, &failure);
    }
    if !matches!(request.election_type, PREFERRED | UNCLEAN) {
        let message = format!("unknown election type {}", request.election_type);
        return refuse(context, topics, &Failure::new(ErrorCode::InvalidRequest, message));
    }
    // Only for what other agents just made.
    let asked = if topics.is_empty() {
        Ok(())
    } else {
        broker.catalog.refresh_paced().await
    };
    let judge = |topic: &str, partition: i32| -> Failure {
        let state = broker.catalog.by_name(topic);
        if state.is_some_and(|state| state.partition(partition).is_some()) {
            return Failure::new(ErrorCode::ElectionNotNeeded, "the right replica leads already");
        }
        // Does not repeat the name: it may be long, and many partitions may come with it.
        let unknown = "this topic or partition does not exist";
        asked.as_ref().err().map_or_else(
            || Failure::new(ErrorCode::UnknownTopicOrPartition, unknown),
            Failure::from,
        )
    };
    let results = topics.into_iter().map(|topic| {
        let name = StrBytes::clone(&topic.topic.0);
        answer(topic, |partition| judge(&name, partition))
    });
    ElectLeadersResponse::default().with_replica_election_results(results.collect())
}

/// The whole request failed: said once at the top, where v0 has no room, and of every partition.
fn refuse(context: &RequestContext, topics: Vec<TopicPartitions>, failure: &Failure) -> ElectLeadersResponse {
    let results = topics
        .into_iter()
        .map(|topic| answer(topic, |_| failure.clone()))
        .collect();
    let response = ElectLeadersResponse::default().with_replica_election_results(results);
    match context.api_version {
        0 => response,
        _ => response.with_error_code(failure.code.code()),
    }
}

fn answer(topic: TopicPartitions, judge: impl Fn(i32) -> Failure) -> ReplicaElectionResult {
    let partitions = topic.partitions.into_iter().map(|partition| {
        let failure = judge(partition);
        PartitionResult::default()
            .with_partition_id(partition)
            .with_error_code(failure.code.code())
            .with_error_message(failure.text())
    });
    ReplicaElectionResult::default()
        .with_topic(topic.topic)
        .with_partition_result(partitions.collect())
}
