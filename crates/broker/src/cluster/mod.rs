//! What a client is told of the cluster: which agents there are, what they speak, who coordinates.
//!
//! What holds: the list of brokers is never empty (the agent that answers is in it, by the address that
//! the client came through), and every leader and the controller are in it.

pub(crate) mod api_versions;
mod brokers;
pub(crate) mod describe_cluster;
pub(crate) mod find_coordinator;
pub(crate) mod operations;

pub(crate) use brokers::Brokers;
