//! From chains to archive segments, and to what the metastore is told of them. No I/O.
//!
//! What holds: an archive segment has at most [`OBJECT_BYTES_MAX`] of batches, unless one batch is larger, and at most
//! [`OBJECT_PARTITIONS_MAX`] partitions, those with holes only included, so that it is registered in one call; a chain
//! that does not fit goes on in the next. All bytes are shared with the objects that they were read from.

use std::collections::BTreeMap;

use esker_metastore::{ArchivedPartition, Extent};
use esker_model::{PartitionKey, SegmentId, TopicUuid};
use esker_storage::segment::InvalidRun;
use esker_storage::segment::archive::{ArchiveWriter, ArchivedBatch, SealedArchive};

use super::gather::Chain;
use crate::upkeep::sealed;

/// Bytes of batches in one archive segment.
pub(in crate::upkeep) const OBJECT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Partitions in one archive segment: their heads are locked together for a moment.
pub(in crate::upkeep) const OBJECT_PARTITIONS_MAX: usize = 256;

/// An archive segment to be put and registered; without an object where there are holes only.
#[derive(Debug)]
pub(in crate::upkeep) struct Packed {
    pub object: Option<SealedArchive>,
    /// Ascending by key; each once, as archiving needs it.
    pub partitions: Vec<ArchivedPartition>,
}

/// Packs chains one after the other.
pub(in crate::upkeep) struct Packer<F> {
    bytes_max: u64,
    id: F,
    packed: Vec<Packed>,
    filling: Option<Filling>,
}

/// One archive segment that is being filled.
struct Filling {
    writer: ArchiveWriter,
    /// Of each part of the writer, in order.
    partitions: Vec<PartitionKey>,
    last: Option<(TopicUuid, i32)>,
    holes: Vec<(PartitionKey, Extent)>,
}

/// Packs chains, in this order. Where they do not ascend by topic id and partition, another segment begins. `id` names
/// each segment.
pub(in crate::upkeep) fn pack(
    chains: Vec<Chain>,
    bytes_max: u64,
    id: impl FnMut() -> SegmentId,
) -> Result<Vec<Packed>, InvalidRun> {
    let mut packer = Packer::new(bytes_max, id);
    chains.into_iter().try_for_each(|chain| packer.push(chain))?;
    Ok(packer.end())
}

impl<F: FnMut() -> SegmentId> Packer<F> {
    /// Nothing yet; see [`pack`].
    pub(in crate::upkeep) fn new(bytes_max: u64, id: F) -> Self {
        Self {
            bytes_max,
            id,
            packed: Vec::new(),
            filling: None,
        }
    }

    /// Packs one more.
    pub(in crate::upkeep) fn push(&mut self, chain: Chain) -> Result<(), InvalidRun> {
        let Self {
            bytes_max,
            id,
            packed,
            filling,
        } = self;
        let mut batches = chain.batches.as_slice();
        let mut base_offset = chain.base_offset;
        while !batches.is_empty() {
            let into = filling.get_or_insert_with(|| Filling::new(id()));
            let room = bytes_max.saturating_sub(into.writer.payload_bytes());
            let count = fitting(batches, room, into.partitions.is_empty());
            if count == 0 || into.is_full() || !into.takes(&chain) {
                packed.extend(filling.take().map(Filling::seal));
                continue;
            }
            let (now, later) = batches.split_at(count);
            into.writer
                .push(chain.topic, chain.partition.partition, base_offset, now)?;
            into.partitions.push(chain.partition);
            into.last = Some((chain.topic, chain.partition.partition));
            base_offset += now.iter().map(|batch| i64::from(batch.records)).sum::<i64>();
            batches = later;
        }
        if let Some(hole) = chain.hole {
            if filling
                .as_ref()
                .is_some_and(|into| into.is_full() && !into.knows(chain.partition))
            {
                packed.extend(filling.take().map(Filling::seal));
            }
            let into = filling.get_or_insert_with(|| Filling::new(id()));
            into.holes.push((chain.partition, hole));
        }
        Ok(())
    }

    /// All that was packed.
    pub(in crate::upkeep) fn end(mut self) -> Vec<Packed> {
        self.packed.extend(self.filling.map(Filling::seal));
        self.packed
    }
}

/// How many of the batches fit; one at least if `anyway`.
fn fitting(batches: &[ArchivedBatch], room: u64, anyway: bool) -> usize {
    let mut bytes = 0;
    let fitting = batches.iter().take_while(|batch| {
        bytes += batch.bytes.len() as u64;
        bytes <= room
    });
    fitting.count().max(usize::from(anyway))
}

impl Filling {
    fn new(id: SegmentId) -> Self {
        Self {
            writer: ArchiveWriter::new(id),
            partitions: Vec::new(),
            last: None,
            holes: Vec::new(),
        }
    }

    /// A partition with a part and a hole is one, but counts as two.
    fn is_full(&self) -> bool {
        self.partitions.len() + self.holes.len() >= OBJECT_PARTITIONS_MAX
    }

    /// Whether a chain's partition comes behind all that are in it.
    fn takes(&self, chain: &Chain) -> bool {
        self.last
            .is_none_or(|last| last < (chain.topic, chain.partition.partition))
    }

    fn knows(&self, partition: PartitionKey) -> bool {
        self.partitions.last() == Some(&partition)
    }

    fn seal(self) -> Packed {
        let is_empty = self.writer.payload_bytes() == 0;
        let sealed = self.writer.seal();
        let mut partitions: BTreeMap<PartitionKey, Vec<Extent>> = self
            .partitions
            .iter()
            .zip(&sealed.parts)
            .map(|(partition, part)| (*partition, sealed::extents(&sealed, part)))
            .collect();
        for (partition, hole) in self.holes {
            partitions.entry(partition).or_default().push(hole);
        }
        Packed {
            object: (!is_empty).then_some(sealed),
            partitions: partitions
                .into_iter()
                .map(|(partition, extents)| ArchivedPartition { partition, extents })
                .collect(),
        }
    }
}
