//! From extents with their batches to chains, partition by partition. No I/O.
//!
//! What holds: a chain lies end to end from the first extent of its partition on, which is where the partition is archived
//! to if [`reachable`] chose it, and ends where something is in the way: an object that cannot be read for now, extents that
//! do not follow on each other, or a hole. A hole is the last of its chain; what lies behind it waits for the next round.
//! Batches are verified, by their own CRC or with the object that holds them, before that may go.

use std::collections::BTreeMap;

use bytes::Bytes;
use esker_metastore::Extent;
use esker_model::planted::{Mistake, planted};
use esker_model::{PartitionKey, TopicKey, TopicUuid};
use esker_protocol::batch::BatchError;
use esker_storage::Slices;
use esker_storage::segment::archive::ArchivedBatch;

use crate::fetch::batches::{Damage, ExtentBatches, StoredBatch};

/// Why there are no bytes of an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upkeep) enum NoBytes {
    /// Perhaps later.
    Later,
    /// The object is gone or damaged.
    Never,
}

/// An extent and what was read of it.
#[derive(Debug)]
pub(in crate::upkeep) struct Gathered {
    pub partition: PartitionKey,
    pub extent: Extent,
    pub batches: Result<Vec<ArchivedBatch>, NoBytes>,
}

/// Those of `found` that can be archived now: of each partition what lies end to end from where it is archived to. What
/// does not begin there would be read and written for nothing. `found` ascends by partition and offset.
pub(super) fn reachable(
    mut found: Vec<(PartitionKey, Extent)>,
    mut archived_to: BTreeMap<PartitionKey, i64>,
) -> Vec<(PartitionKey, Extent)> {
    found.retain(|(partition, extent)| {
        let Some(end) = archived_to.get_mut(partition) else {
            return false;
        };
        // The first may be archived in part: an archive segment may end within an extent.
        let is_next = extent.base_offset <= *end && *end < extent.end_offset;
        if is_next {
            *end = extent.end_offset;
        }
        is_next
    });
    found
}

/// Leaves out what is archived already of extents that were archived in part.
pub(super) fn trim(gathered: &mut [Gathered], archived_to: &BTreeMap<PartitionKey, i64>) {
    for one in gathered {
        let from = archived_to.get(&one.partition).copied().unwrap_or(i64::MIN);
        if one.extent.base_offset >= from {
            continue;
        }
        if let Ok(batches) = &mut one.batches {
            let mut at = one.extent.base_offset;
            let is_archived = |batch: &&ArchivedBatch| {
                let begin = at;
                at += i64::from(batch.records);
                begin < from
            };
            let archived = batches.iter().take_while(is_archived).count();
            batches.drain(..archived);
        }
        one.extent.base_offset = from;
    }
}

/// What a partition has to be archived.
#[derive(Debug)]
pub(in crate::upkeep) struct Chain {
    pub partition: PartitionKey,
    pub topic: TopicUuid,
    pub base_offset: i64,
    pub batches: Vec<ArchivedBatch>,
    /// Records behind the batches that cannot be read.
    pub hole: Option<Extent>,
}

/// Chains of what was gathered, ascending by topic id and partition as archive segments want them. `gathered` ascends
/// by partition and offset; `topic` names those that exist.
pub(in crate::upkeep) fn chains(
    gathered: Vec<Gathered>,
    topic: impl Fn(TopicKey) -> Option<TopicUuid>,
) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    let mut open: Option<(Chain, i64)> = None;
    let mut passed_over = None;
    for Gathered {
        partition,
        extent,
        batches,
    } in gathered
    {
        if open
            .as_ref()
            .is_some_and(|(chain, _)| chain.partition != partition)
        {
            chains.extend(open.take().map(|(chain, _)| chain));
        }
        if passed_over == Some(partition) {
            continue;
        }
        let Some(topic) = topic(partition.topic) else {
            passed_over = Some(partition);
            continue;
        };
        let (chain, end) =
            open.get_or_insert_with(|| (Chain::new(partition, topic, &extent), extent.base_offset));
        if extent.base_offset != *end {
            passed_over = Some(partition);
            continue;
        }
        match batches {
            Ok(batches) => chain.batches.extend(batches),
            Err(NoBytes::Later) if planted(Mistake::ArchiveWithGaps) => {}
            Err(NoBytes::Later) => passed_over = Some(partition),
            Err(NoBytes::Never) => {
                chain.hole = Some(extent);
                passed_over = Some(partition);
            }
        }
        *end = extent.end_offset;
    }
    chains.extend(open.map(|(chain, _)| chain));
    chains.retain(|chain| !chain.batches.is_empty() || chain.hole.is_some());
    chains.sort_by_key(|chain| (chain.topic, chain.partition.partition));
    chains
}

impl Chain {
    fn new(partition: PartitionKey, topic: TopicUuid, first: &Extent) -> Self {
        Self {
            partition,
            topic,
            base_offset: first.base_offset,
            batches: Vec::new(),
            hole: None,
        }
    }
}

/// The batches of an extent: all of them, each verified, or the bytes are damaged. Those that are archived already keep
/// their leader epochs.
pub(in crate::upkeep) fn batches(extent: &Extent, slices: &[Bytes]) -> Result<Vec<ArchivedBatch>, Damage> {
    take_apart(extent, slices, |stored| {
        let batch = stored.into_batch();
        batch.check_crc()?;
        Ok(batch.bytes.into())
    })
}

/// The same of bytes that were verified a moment ago with the object or the chunk that holds them: nothing is copied.
pub(in crate::upkeep) fn verified_batches(
    extent: &Extent,
    slices: &Slices,
) -> Result<Vec<ArchivedBatch>, Damage> {
    take_apart(extent, slices.as_slices(), |stored| Ok(stored.into_slices()))
}

fn take_apart(
    extent: &Extent,
    slices: &[Bytes],
    bytes: impl Fn(StoredBatch) -> Result<Slices, BatchError>,
) -> Result<Vec<ArchivedBatch>, Damage> {
    let mut stored = ExtentBatches::new(extent, slices);
    let mut batches = Vec::new();
    while let Some(batch) = stored.next_if(|_| true)? {
        let header = batch.header;
        let damage = |error| Damage::Batch {
            offset: header.base_offset,
            error,
        };
        let bytes = bytes(batch).map_err(damage)?;
        let records = header.next_offset() - header.base_offset;
        let epoch = match extent.chunk {
            None => extent.segment.epoch,
            Some(_) => esker_model::ClusterEpoch(header.partition_leader_epoch),
        };
        batches.push(ArchivedBatch {
            records: i32::try_from(records).unwrap_or(i32::MAX),
            max_timestamp: header.max_timestamp.max(-1),
            epoch,
            bytes,
        });
    }
    Ok(batches)
}
