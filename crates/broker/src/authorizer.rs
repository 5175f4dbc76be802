//! The seam to authorization. Every handler asks before it acts; until access control lists exist the
//! answer is yes.

use crate::context::RequestContext;

/// What somebody wants to do, by Kafka's names for operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Read records.
    Read,
    /// Write records.
    Write,
    /// Create.
    Create,
    /// Delete.
    Delete,
    /// Change.
    Alter,
    /// Look at.
    Describe,
    /// Act as a broker of the cluster. Nothing asks for it: agents do not call each other over Kafka's protocol.
    ClusterAction,
    /// Change configs.
    AlterConfigs,
    /// Look at configs.
    DescribeConfigs,
    /// Be an idempotent producer.
    IdempotentWrite,
}

/// What it is to be done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// A topic, by name.
    Topic(&'a str),
    /// A group, by its id.
    Group(&'a str),
    /// The cluster.
    Cluster,
}

/// Decides.
pub trait Authorizer: Send + Sync {
    /// Whether the request's principal may do this.
    fn allows(&self, context: &RequestContext, operation: Operation, resource: Resource<'_>) -> bool;
}

/// Everybody may do everything.
pub struct AllowAll;

impl Authorizer for AllowAll {
    fn allows(&self, _: &RequestContext, _: Operation, _: Resource<'_>) -> bool {
        true
    }
}
