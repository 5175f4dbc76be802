//! What a config request can be about, by Kafka's numbers, and which of it exists here.

use esker_model::groups::GROUP_ID_BYTES_MAX;
use esker_protocol::ErrorCode;

use crate::Broker;
use crate::authorizer::{Operation, Resource};
use crate::context::RequestContext;
use crate::errors::Failure;

/// Numbers of Kafka's resource types.
pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;
pub(super) const BROKER_LOGGER: i8 = 8;
pub(super) const CLIENT_METRICS: i8 = 16;
pub(super) const GROUP: i8 = 32;

/// What a config request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A topic, which may not exist.
    Topic,
    /// This agent.
    ThisBroker,
    /// The defaults of all agents, which cannot be set over the protocol.
    AllBrokers,
    /// This agent's loggers.
    Loggers,
    /// A subscription to metrics of clients; none exists.
    ClientMetrics,
    /// A group, which may not exist.
    Group,
}

/// Reads a resource; 42 for types that nobody knows, for other agents' ids and where a name is missing.
pub(super) fn target(broker: &Broker, resource_type: i8, name: &str) -> Result<Target, Failure> {
    let me = broker.member.node_id().0;
    let other = || {
        let message = format!("this is broker {me}: ask the broker that the resource names");
        Failure::new(ErrorCode::InvalidRequest, message)
    };
    let is_me = name.parse() == Ok(me);
    match resource_type {
        TOPIC => Ok(Target::Topic),
        BROKER if name.is_empty() => Ok(Target::AllBrokers),
        BROKER if is_me => Ok(Target::ThisBroker),
        BROKER_LOGGER if is_me => Ok(Target::Loggers),
        BROKER | BROKER_LOGGER => Err(other()),
        CLIENT_METRICS | GROUP if name.is_empty() => {
            let message = "a resource of this type needs a name";
            Err(Failure::new(ErrorCode::InvalidRequest, message))
        }
        CLIENT_METRICS => Ok(Target::ClientMetrics),
        GROUP if name.len() > GROUP_ID_BYTES_MAX => {
            let message = format!("the id of a group has at most {GROUP_ID_BYTES_MAX} bytes");
            Err(Failure::new(ErrorCode::InvalidRequest, message))
        }
        GROUP => Ok(Target::Group),
        _ => {
            let message = format!("unknown resource type {resource_type}");
            Err(Failure::new(ErrorCode::InvalidRequest, message))
        }
    }
}

/// Asks the authorizer; 29, 30 or 31 if the answer is no.
pub(super) fn allow(
    broker: &Broker,
    context: &RequestContext,
    operation: Operation,
    target: Target,
    name: &str,
) -> Result<(), Failure> {
    let (resource, code) = match target {
        Target::Topic => (Resource::Topic(name), ErrorCode::TopicAuthorizationFailed),
        Target::Group => (Resource::Group(name), ErrorCode::GroupAuthorizationFailed),
        _ => (Resource::Cluster, ErrorCode::ClusterAuthorizationFailed),
    };
    if broker.authorizer.allows(context, operation, resource) {
        return Ok(());
    }
    Err(Failure::new(code, "not authorized"))
}

/// The answer for a topic that is not there.
pub(super) fn unknown_topic() -> Failure {
    Failure::new(ErrorCode::UnknownTopicOrPartition, "this topic does not exist")
}
