//! A small Kafka client for the command line: it talks to any broker, not only to ours.
//!
//! [`Cluster`] finds the brokers and who leads which partition; [`producer`] writes, [`consumer`] reads,
//! [`group`] looks after consumer groups and is a member of them, [`admin`] is the rest. Requests on one connection
//! follow each other; work on several brokers runs side by side. A broker that went away or does not answer is done
//! without as soon as the others say so: see [`attempts`]. Nothing here prints.

pub(crate) mod admin;
mod attempts;
mod cluster;
mod connection;
pub(crate) mod consumer;
mod error;
pub(crate) mod group;
mod leaders;
pub(crate) mod offsets;
mod partitioner;
pub(crate) mod producer;
pub(crate) mod sizes;

pub(crate) use cluster::{Cluster, Partition, Topic};
pub(crate) use connection::Connection;
pub(crate) use error::{ClientError, is_retriable};

/// A partition by its topic's name and its index.
pub(crate) type TopicPartition = (String, i32);

/// The outcome of asking a broker.
pub(crate) type Result<T> = std::result::Result<T, ClientError>;
