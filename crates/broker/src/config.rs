//! What an agent is told before it starts. Parsing and precedence are the binary's business.

use std::sync::Arc;
use std::time::Duration;

use esker_model::groups::GroupLimits;
use esker_model::limits;

/// The role of agents that clients are sent to.
const SERVE: &str = "serve";

/// Whether an agent with these roles serves clients.
pub(crate) fn serves(roles: &[String]) -> bool {
    roles.iter().any(|role| role == SERVE)
}

/// Settings of one agent.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// Stable name; the node id belongs to it.
    pub node_name: String,
    /// Id for a cluster that does not exist yet; drawn at random if there is none. An existing cluster
    /// with another id is an error.
    pub cluster_id: Option<String>,
    /// Where clients connect.
    pub listeners: Vec<Arc<ListenerConfig>>,
    /// Most connections at a time; who accepts them keeps to it.
    pub connections_max: usize,
    /// Most connections of one address.
    pub connections_per_ip_max: usize,
    /// Availability zone of this agent.
    pub zone: Option<String>,
    /// What this agent does: `serve`, `upkeep`.
    pub roles: Vec<String>,
    /// Version shown to others.
    pub version: String,
    /// A hot segment is sealed at this size.
    pub segment_bytes: u64,
    /// Price ceiling of small flushes: on average one per interval; zero: whenever something waits.
    pub flush_interval: Duration,
    /// One budget: hot segments, requests in flight, cache.
    pub memory_bytes: u64,
    /// Create a topic when a client first asks for it.
    pub auto_create_topics: bool,
    /// Partitions of a topic created without saying how many (`num.partitions`).
    pub num_partitions: i32,
    /// How long [`crate::Broker::drain`] may take.
    pub shutdown_grace: Duration,
    /// Ingest segments that are older than this are archived; sooner if there are enough for a round.
    pub archive_interval: Duration,
    /// How long an object that nothing needs any more stays in the bucket: longer than the longest Fetch that was
    /// planned before.
    pub archive_grace: Duration,
    /// The time between two sweeps of the bucket.
    pub sweep_interval: Duration,
    /// When archived records are merged, and into what.
    pub merge: MergeLimits,
    /// What groups may do.
    pub groups: GroupLimits,
}

/// When archived records of a partition are merged, and into what. They are due as soon as one of the first three is
/// reached: between them those bound what the metastore holds of a partition, however long its records are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeLimits {
    /// Bytes of records.
    pub bytes: u64,
    /// Extents: rows of the metastore.
    pub extents: u64,
    /// Since the first of them was archived.
    pub age: Duration,
    /// Bytes of batches in one merged segment, unless one batch is larger.
    pub object_bytes: u64,
    /// Entries of a manifest; of one that would have more, the oldest move into a leaf.
    pub manifest_entries: usize,
    /// Entries of a leaf.
    pub leaf_entries: usize,
    /// What is left in an archive segment that is mostly dead moves out if the object has at least so many bytes. Smaller
    /// ones are left alone: they go when the last of their records are merged.
    pub repack_bytes: u64,
}

impl MergeLimits {
    /// What agents work with, unless they are told otherwise.
    pub const DEFAULT: Self = Self {
        bytes: 64 * 1024 * 1024,
        extents: 128,
        age: Duration::from_secs(24 * 60 * 60),
        object_bytes: 64 * 1024 * 1024,
        manifest_entries: 512,
        leaf_entries: 256,
        repack_bytes: 1024 * 1024,
    };
}

impl Default for MergeLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// One listener. Each has its name, its protocol and the address that its clients are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerConfig {
    /// Name, e.g. `PLAINTEXT`.
    pub name: String,
    /// Security protocol, e.g. `PLAINTEXT`.
    pub security_protocol: String,
    /// Where it listens, HOST:PORT: for people who look at the configs of an agent.
    pub bound: String,
    /// Host that clients are told.
    pub advertised_host: String,
    /// Port that clients are told.
    pub advertised_port: u16,
    /// Zone of the clients that use this listener, if it says so.
    pub zone: Option<String>,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            node_name: "dev".into(),
            cluster_id: None,
            listeners: Vec::new(),
            connections_max: 20_000,
            connections_per_ip_max: 15_000,
            zone: None,
            roles: vec![SERVE.into(), "upkeep".into()],
            version: env!("CARGO_PKG_VERSION").into(),
            segment_bytes: limits::SEGMENT_BYTES,
            flush_interval: Duration::from_millis(100),
            memory_bytes: 1 << 30,
            auto_create_topics: false,
            num_partitions: 1,
            shutdown_grace: Duration::from_secs(30),
            archive_interval: Duration::from_secs(5 * 60),
            archive_grace: Duration::from_secs(10 * 60),
            sweep_interval: Duration::from_secs(60 * 60),
            merge: MergeLimits::default(),
            groups: GroupLimits::default(),
        }
    }
}
