//! Agents as the metastore keeps them.

use esker_model::{ClusterEpoch, IncarnationId, NodeId};
use serde::{Deserialize, Serialize};

/// An agent that introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its stable name.
    pub node_name: String,
    /// This life of it.
    pub incarnation: IncarnationId,
    /// The epoch it read from `cluster.json`.
    pub epoch: ClusterEpoch,
    /// What others need to know of it.
    pub profile: AgentProfile,
}

/// What this release can read of history. 1: archive segments and manifests.
pub const HISTORY_READ: u32 = 1;

/// What an agent tells the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentProfile {
    /// Where clients reach it.
    pub addresses: Vec<AdvertisedAddress>,
    /// Its availability zone.
    #[serde(default)]
    pub zone: Option<String>,
    /// What it does: `serve`, `upkeep`.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// Which history it can read: [`HISTORY_READ`] of its release; 0: of a release before there was that.
    #[serde(default)]
    pub history: u32,
    /// What it can coordinate; 0: nothing, as agents of a release before there were groups.
    #[serde(default)]
    pub groups: u32,
}

/// What clients of one listener are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvertisedAddress {
    /// The listener's name.
    pub listener: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// The answer to a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The id that belongs to the node name.
    pub node_id: NodeId,
    /// Earlier incarnations of the name that this registration fenced.
    pub fenced: Vec<IncarnationId>,
}

/// An agent as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// The id that clients see.
    pub node_id: NodeId,
    /// Its stable name.
    pub node_name: String,
    /// Its present life.
    pub incarnation: IncarnationId,
    /// What it told.
    pub profile: AgentProfile,
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Agents that are alive, this one among them, ascending by node id.
    pub live: Vec<Agent>,
    /// Incarnations that are not fenced but were silent for too long: somebody should fence them.
    pub expired: Vec<IncarnationId>,
    /// The catalog's version.
    pub catalog_version: i64,
    /// The metastore's cluster epoch.
    pub epoch: ClusterEpoch,
    /// What the metastore's clock showed while it answered: milliseconds since 1970-01-01 UTC. Everything that
    /// expires goes by this clock.
    pub now_ms: i64,
}
