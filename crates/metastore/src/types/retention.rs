//! What retention says to the metastore.

use esker_model::PartitionKey;

use super::manifest::ManifestRef;
use super::read::Head;

/// What a partition keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetainRequest {
    /// The partition.
    pub partition: PartitionKey,
    /// Records that are older may go, in milliseconds; `None`: however old they are, they stay.
    pub ms: Option<i64>,
    /// Records may go that have at least so many bytes behind them; `None`: however many there are, they stay.
    pub bytes: Option<u64>,
}

/// What retention did, and what it cannot tell by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetainReply {
    /// Partitions whose log start moved.
    pub moved: Vec<(PartitionKey, Head)>,
    /// Partitions whose manifests list something that may go.
    pub ripe: Vec<Ripe>,
}

/// A partition whose manifest lists something that may go: at least its first entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ripe {
    /// What was asked.
    pub request: RetainRequest,
    /// Its log start now.
    pub log_start: i64,
    /// The manifest.
    pub manifest: ManifestRef,
    /// Bytes of batches that the manifest does not list: they lie behind those that it lists.
    pub bytes_behind: u64,
    /// The database's time (milliseconds since 1970).
    pub now_ms: i64,
}
