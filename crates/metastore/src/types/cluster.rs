//! The cluster's identity as the metastore keeps it.

use esker_model::{ClusterEpoch, ClusterId};

/// The cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its id.
    pub id: ClusterId,
    /// Its epoch.
    pub epoch: ClusterEpoch,
    /// `cluster.json` was seen in the bucket once.
    pub bucket_bound: bool,
}
