//! From extents and the objects that hold them to chains of batches, partition by partition. No I/O.
//!
//! What holds: a chain lies end to end from the first extent of its partition on, and ends where something is in the
//! way: an object that cannot be read for now, extents that do not follow on each other, or a hole. A hole is the last
//! of its chain; what lies behind it waits for the next round.

use bytes::Bytes;
use esker_metastore::Extent;
use esker_model::planted::{Mistake, planted};
use esker_model::{PartitionKey, TopicKey, TopicUuid};
use esker_storage::segment::archive::ArchivedBatch;
use tracing::error;

use crate::fetch::batches::ExtentBatches;

/// Why there are no bytes of an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoBytes {
    /// Perhaps later.
    Later,
    /// The object is gone or damaged.
    Never,
}

/// What a partition has to be archived.
#[derive(Debug)]
pub(super) struct Chain {
    pub partition: PartitionKey,
    pub topic: TopicUuid,
    pub base_offset: i64,
    pub batches: Vec<ArchivedBatch>,
    /// Records behind the batches that cannot be read.
    pub hole: Option<Extent>,
}

/// Chains of what was found, ascending by topic id and partition as archive segments want them. `found` ascends by
/// partition and offset; `topic` names those that exist; `read` gives the bytes of an extent, in slices.
pub(super) fn chains(
    found: &[(PartitionKey, Extent)],
    topic: impl Fn(TopicKey) -> Option<TopicUuid>,
    mut read: impl FnMut(&Extent) -> Result<Vec<Bytes>, NoBytes>,
) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    for part in found.chunk_by(|one, next| one.0 == next.0) {
        let Some((partition, first)) = part.first() else {
            continue;
        };
        let Some(topic) = topic(partition.topic) else {
            continue;
        };
        let mut chain = Chain {
            partition: *partition,
            topic,
            base_offset: first.base_offset,
            batches: Vec::new(),
            hole: None,
        };
        let mut end = first.base_offset;
        for (_, extent) in part {
            if extent.base_offset != end {
                break;
            }
            match read(extent).and_then(|slices| batches(extent, &slices)) {
                Ok(batches) => chain.batches.extend(batches),
                Err(NoBytes::Later) if planted(Mistake::ArchiveWithGaps) => {}
                Err(NoBytes::Later) => break,
                Err(NoBytes::Never) => {
                    chain.hole = Some(*extent);
                    break;
                }
            }
            end = extent.end_offset;
        }
        if !chain.batches.is_empty() || chain.hole.is_some() {
            chains.push(chain);
        }
    }
    chains.sort_by_key(|chain| (chain.topic, chain.partition.partition));
    chains
}

/// The batches of an extent: all of them, or the extent is damaged.
fn batches(extent: &Extent, slices: &[Bytes]) -> Result<Vec<ArchivedBatch>, NoBytes> {
    let mut stored = ExtentBatches::new(extent, slices);
    let mut batches = Vec::new();
    loop {
        match stored.next_if(|_| true) {
            Ok(None) => return Ok(batches),
            Ok(Some(batch)) => {
                let batch = batch.into_batch();
                let records = batch.header.next_offset() - batch.header.base_offset;
                batches.push(ArchivedBatch {
                    records: i32::try_from(records).map_err(|_| NoBytes::Never)?,
                    max_timestamp: batch.header.max_timestamp.max(-1),
                    epoch: extent.segment.epoch,
                    bytes: batch.bytes,
                });
            }
            Err(damage) => {
                error!(segment = %extent.segment, %damage, "records cannot be archived");
                return Err(NoBytes::Never);
            }
        }
    }
}
