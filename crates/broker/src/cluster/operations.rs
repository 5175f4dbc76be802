//! Authorized operations as Kafka's responses carry them: one bit per operation (KIP-430).

use crate::authorizer::{Operation, Resource};
use crate::context::RequestContext;

/// The value that says "not asked".
pub(crate) const NOT_ASKED: i32 = i32::MIN;

const OF_TOPIC: [Operation; 8] = [
    Operation::Read,
    Operation::Write,
    Operation::Create,
    Operation::Delete,
    Operation::Alter,
    Operation::Describe,
    Operation::DescribeConfigs,
    Operation::AlterConfigs,
];

const OF_GROUP: [Operation; 5] = [
    Operation::Read,
    Operation::Delete,
    Operation::Describe,
    Operation::DescribeConfigs,
    Operation::AlterConfigs,
];

const OF_CLUSTER: [Operation; 7] = [
    Operation::Create,
    Operation::Alter,
    Operation::Describe,
    Operation::ClusterAction,
    Operation::DescribeConfigs,
    Operation::AlterConfigs,
    Operation::IdempotentWrite,
];

/// What the principal may do with a topic.
pub(crate) fn of_topic(broker: &crate::Broker, context: &RequestContext, name: &str) -> i32 {
    allowed(broker, context, &OF_TOPIC, Resource::Topic(name))
}

/// What the principal may do with a group.
pub(crate) fn of_group(broker: &crate::Broker, context: &RequestContext, id: &str) -> i32 {
    allowed(broker, context, &OF_GROUP, Resource::Group(id))
}

/// What the principal may do with the cluster.
pub(crate) fn of_cluster(broker: &crate::Broker, context: &RequestContext) -> i32 {
    allowed(broker, context, &OF_CLUSTER, Resource::Cluster)
}

fn allowed(
    broker: &crate::Broker,
    context: &RequestContext,
    operations: &[Operation],
    on: Resource<'_>,
) -> i32 {
    operations
        .iter()
        .filter(|operation| broker.authorizer.allows(context, **operation, on))
        .fold(0, |bits, operation| bits | 1 << code(*operation))
}

/// Kafka's number of an operation.
fn code(operation: Operation) -> u32 {
    match operation {
        Operation::Read => 3,
        Operation::Write => 4,
        Operation::Create => 5,
        Operation::Delete => 6,
        Operation::Alter => 7,
        Operation::Describe => 8,
        Operation::ClusterAction => 9,
        Operation::DescribeConfigs => 10,
        Operation::AlterConfigs => 11,
        Operation::IdempotentWrite => 12,
    }
}
