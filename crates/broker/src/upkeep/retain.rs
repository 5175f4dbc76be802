//! Retention: log starts move over archived records that topics need not keep, and what lies below them is forgotten.
//!
//! What holds: a log start moves first, in the metastore; the objects go a grace period after the last records in
//! them were forgotten. The configs are those of the catalog, so a change counts from the next round on. Every call is
//! right by itself: a round that stops half-way is continued by the next.

use std::sync::Arc;

use esker_metastore::{MetastoreError, RetainRequest, Retention};
use tracing::info;

use crate::topics::TopicState;

/// Partitions of one call.
const PARTITIONS_AT_ONCE: usize = 1_000;

/// Chunks that one call forgets; a full call is followed by another.
const FORGET_AT_ONCE: usize = 2_000;

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retained {
    /// Partitions whose log start moved.
    pub partitions: u64,
    /// Chunks that were forgotten.
    pub chunks: u64,
}

/// One round over these topics.
pub(crate) async fn round(
    metastore: &dyn Retention,
    topics: &[Arc<TopicState>],
) -> Result<Retained, MetastoreError> {
    let requests: Vec<RetainRequest> = topics.iter().flat_map(|topic| requests(topic)).collect();
    let mut done = Retained::default();
    for part in requests.chunks(PARTITIONS_AT_ONCE) {
        done.partitions += metastore.retain(part).await?.len() as u64;
    }
    loop {
        let chunks = metastore.drop_archived(FORGET_AT_ONCE).await?;
        done.chunks += chunks;
        if chunks < FORGET_AT_ONCE as u64 {
            break;
        }
    }
    if done != Retained::default() {
        info!(
            partitions = done.partitions,
            chunks = done.chunks,
            "records went by their topics' retention"
        );
    }
    Ok(done)
}

/// What the partitions of a topic keep; none for a topic that keeps everything.
fn requests(topic: &TopicState) -> Vec<RetainRequest> {
    let config = &topic.config;
    if !config.delete || (config.retention_ms.is_none() && config.retention_bytes.is_none()) {
        return Vec::new();
    }
    (0..topic.topic.partitions)
        .filter_map(|index| topic.partition(index))
        .map(|partition| RetainRequest {
            partition,
            ms: config.retention_ms,
            bytes: config.retention_bytes,
        })
        .collect()
}
