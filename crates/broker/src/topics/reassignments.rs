//! AlterPartitionReassignments 0-1 and ListPartitionReassignments 0 (KIP-455): nothing has to be moved.
//!
//! The bytes of a partition are in the bucket, not at its replicas. A reassignment is checked as Kafka checks it, and
//! is over when it is answered; it changes neither who leads nor which replicas are shown. So none is ever under way,
//! and none can be cancelled.

use std::sync::Arc;

use esker_metastore::MetastoreError;
use esker_protocol::messages::alter_partition_reassignments_request::ReassignablePartition;
use esker_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use esker_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};
use esker_protocol::{ErrorCode, StrBytes};

use super::{TopicState, assignments};
use crate::Broker;
use crate::authorizer::{Operation, Resource};
use crate::cluster::Brokers;
use crate::context::RequestContext;
use crate::errors::Failure;

const NOT_AUTHORIZED: StrBytes = StrBytes::from_static_str("not authorized");

/// Checks reassignments.
pub(crate) async fn alter(
    broker: &Broker,
    context: &RequestContext,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let factor_may_change = request.allow_replication_factor_change;
    let response = AlterPartitionReassignmentsResponse::default()
        .with_allow_replication_factor_change(factor_may_change)
        .with_error_message(None);
    if !broker
        .authorizer
        .allows(context, Operation::Alter, Resource::Cluster)
    {
        return response
            .with_error_code(ErrorCode::ClusterAuthorizationFailed.code())
            .with_error_message(Some(NOT_AUTHORIZED));
    }
    // Only for what other agents just made.
    let asked = broker.catalog.refresh_paced().await;
    let brokers = Brokers::known_to(broker, context);
    let topics = request.topics.into_iter().map(|topic| {
        let state = broker.catalog.by_name(&topic.name);
        let partitions = topic.partitions.into_iter().map(|partition| {
            let index = partition.partition_index;
            let answer = ReassignablePartitionResponse::default().with_partition_index(index);
            match judge(state.as_ref(), &asked, &partition, factor_may_change, &brokers) {
                Ok(()) => answer.with_error_message(None),
                Err(failure) => answer
                    .with_error_code(failure.code.code())
                    .with_error_message(failure.text()),
            }
        });
        let partitions = partitions.collect();
        ReassignableTopicResponse::default()
            .with_name(topic.name)
            .with_partitions(partitions)
    });
    response.with_responses(topics.collect())
}

fn judge(
    state: Option<&Arc<TopicState>>,
    asked: &Result<(), MetastoreError>,
    wanted: &ReassignablePartition,
    factor_may_change: bool,
    brokers: &Brokers,
) -> Result<(), Failure> {
    let known = state.filter(|state| state.partition(wanted.partition_index).is_some());
    let Some(state) = known else {
        return Err(match asked {
            Err(err) => Failure::from(err),
            Ok(()) => Failure::new(
                ErrorCode::UnknownTopicOrPartition,
                "this topic or partition does not exist",
            ),
        });
    };
    let Some(replicas) = &wanted.replicas else {
        let message = "no reassignment of this partition is under way";
        return Err(Failure::new(ErrorCode::NoReassignmentInProgress, message));
    };
    let factor = assignments::check(replicas, None, brokers)?;
    let now = state.topic.replication_factor;
    if !factor_may_change && factor != now {
        let message = format!("the replication factor would change from {now} to {factor}");
        return Err(Failure::new(ErrorCode::InvalidReplicationFactor, message));
    }
    Ok(())
}

/// Lists the reassignments that are under way: none.
pub(crate) async fn list(
    broker: &Broker,
    context: &RequestContext,
    _: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    let response = ListPartitionReassignmentsResponse::default().with_error_message(None);
    if broker
        .authorizer
        .allows(context, Operation::Describe, Resource::Cluster)
    {
        return response;
    }
    response
        .with_error_code(ErrorCode::ClusterAuthorizationFailed.code())
        .with_error_message(Some(NOT_AUTHORIZED))
}
