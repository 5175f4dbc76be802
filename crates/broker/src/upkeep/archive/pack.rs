//! From chains to archive segments, and to what the metastore is told of them. No I/O.
//!
//! What holds: an archive segment has at most [`OBJECT_BYTES_MAX`] of batches, unless one batch is larger, and parts of
//! at most [`OBJECT_PARTITIONS_MAX`] partitions, so that it is registered in one call; a chain that does not fit goes
//! on in the next. All bytes are shared with the objects that they were read from.

use esker_metastore::{ArchivedPartition, ChunkRange, Extent};
use esker_model::{PartitionKey, SegmentId};
use esker_storage::segment::InvalidRun;
use esker_storage::segment::archive::{ArchiveWriter, ArchivedBatch, Part, SealedArchive};

use super::gather::Chain;

/// Bytes of batches in one archive segment.
pub(super) const OBJECT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Partitions in one archive segment: their heads are locked together for a moment.
pub(super) const OBJECT_PARTITIONS_MAX: usize = 1_000;

/// An archive segment to be put and registered; without an object where there are holes only.
#[derive(Debug)]
pub(super) struct Packed {
    pub object: Option<SealedArchive>,
    /// Ascending by key.
    pub partitions: Vec<ArchivedPartition>,
    /// Extents that could not be read.
    pub holes: usize,
    /// Bytes of batches.
    pub bytes: u64,
}

/// One archive segment that is being filled.
struct Filling {
    id: SegmentId,
    writer: ArchiveWriter,
    /// Of each part of the writer, in order.
    partitions: Vec<PartitionKey>,
    holes: Vec<(PartitionKey, Extent)>,
}

/// Packs chains, ascending as archive segments want them. `id` names each segment.
pub(super) fn pack(
    chains: Vec<Chain>,
    bytes_max: u64,
    mut id: impl FnMut() -> SegmentId,
) -> Result<Vec<Packed>, InvalidRun> {
    let mut packed = Vec::new();
    let mut filling: Option<Filling> = None;
    for chain in chains {
        let mut batches = chain.batches.as_slice();
        let mut base_offset = chain.base_offset;
        while !batches.is_empty() {
            let into = filling.get_or_insert_with(|| Filling::new(id()));
            let room = bytes_max.saturating_sub(into.writer.payload_bytes());
            let count = fitting(batches, room, into.partitions.is_empty());
            if count == 0 || into.partitions.len() == OBJECT_PARTITIONS_MAX {
                packed.extend(filling.take().map(Filling::seal));
                continue;
            }
            let (now, later) = batches.split_at(count);
            into.writer
                .push(chain.topic, chain.partition.partition, base_offset, now)?;
            into.partitions.push(chain.partition);
            base_offset += now.iter().map(|batch| i64::from(batch.records)).sum::<i64>();
            batches = later;
        }
        if let Some(hole) = chain.hole {
            let into = filling.get_or_insert_with(|| Filling::new(id()));
            into.holes.push((chain.partition, hole));
        }
    }
    packed.extend(filling.map(Filling::seal));
    Ok(packed)
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
            id,
            writer: ArchiveWriter::new(id),
            partitions: Vec::new(),
            holes: Vec::new(),
        }
    }

    fn seal(self) -> Packed {
        let bytes = self.writer.payload_bytes();
        let sealed = self.writer.seal();
        let mut partitions: Vec<ArchivedPartition> = self
            .partitions
            .iter()
            .zip(&sealed.parts)
            .map(|(partition, part)| ArchivedPartition {
                partition: *partition,
                extents: extents(self.id, &sealed, part),
            })
            .collect();
        for (partition, hole) in &self.holes {
            match partitions.iter_mut().find(|one| one.partition == *partition) {
                Some(one) => one.extents.push(*hole),
                None => partitions.push(ArchivedPartition {
                    partition: *partition,
                    extents: vec![*hole],
                }),
            }
        }
        partitions.sort_by_key(|one| one.partition);
        Packed {
            object: (bytes > 0).then_some(sealed),
            partitions,
            holes: self.holes.len(),
            bytes,
        }
    }
}

/// A part as extents: one for each chunk that it lies in.
fn extents(id: SegmentId, sealed: &SealedArchive, part: &Part) -> Vec<Extent> {
    let mut extents: Vec<Extent> = Vec::new();
    for place in part.places() {
        let after = sealed
            .chunks
            .partition_point(|chunk| chunk.position <= place.position);
        let Some(chunk) = after.checked_sub(1).and_then(|at| sealed.chunks.get(at)) else {
            continue;
        };
        let end_offset = place.base_offset.saturating_add_unsigned(place.entry.offsets);
        if let Some(last) = extents.last_mut()
            && last.chunk.is_some_and(|last| last.position == chunk.position)
        {
            last.end_offset = end_offset;
            last.bytes += place.entry.bytes;
            last.max_timestamp = last.max_timestamp.max(place.entry.max_timestamp);
            continue;
        }
        extents.push(Extent {
            base_offset: place.base_offset,
            end_offset,
            segment: id,
            object_bytes: sealed.object_bytes,
            chunk: Some(ChunkRange {
                position: chunk.position,
                // One batch may be larger than a chunk should be, but no frame is larger than 100 MiB.
                bytes: u32::try_from(chunk.bytes).unwrap_or(u32::MAX),
                crc: chunk.crc,
            }),
            position: place.position,
            bytes: place.entry.bytes,
            max_timestamp: place.entry.max_timestamp,
            producer: None,
            transactional: false,
        });
    }
    extents
}
