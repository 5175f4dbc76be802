//! What each Kafka request means. No sockets, no SQL, no S3 client: an agent's behaviour over the seams
//! to the metastore, the bucket, the cache, time and the transport.
//!
//! A [`Broker`] is one incarnation of an agent. It is built by [`Broker::start`], which proves the
//! cluster's identity and registers the incarnation; [`Broker::serve`] speaks Kafka's protocol on any
//! byte stream; [`Broker::drain`] ends it in good order. A fenced broker never becomes usable again:
//! [`Broker::stopped`] says so, and the process starts another.
//!
//! Folders follow the data: [`connection`] frames, [`produce`] the write path, [`fetch`] the read path,
//! `groups` consumer groups, `upkeep` background work, [`topics`] the catalog and its administration, [`membership`] who is alive and in which epoch.

pub mod authorizer;
#[cfg(feature = "benching")]
pub mod benching;
mod broker;
pub mod budget;
pub mod cluster;
pub mod config;
pub mod connection;
pub mod context;
mod dispatch;
pub mod errors;
pub mod fetch;
mod groups;
mod manifests;
pub mod membership;
pub mod metrics;
mod observe;
pub mod produce;
pub mod producers;
mod throttled_log;
pub mod topics;
pub mod trace;
mod upkeep;

pub use broker::{Broker, Dependencies, StartError, StopReason};
pub use config::{BrokerConfig, ListenerConfig, MergeLimits};
pub use observe::MemoryUse;
pub use throttled_log::ThrottledLog;
