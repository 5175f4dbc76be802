//! What a sealed archive segment holds, as extents.

use esker_metastore::{ChunkRange, Extent};
use esker_storage::segment::archive::{Part, SealedArchive};

/// A part as extents: one for each chunk that it lies in.
pub(super) fn extents(sealed: &SealedArchive, part: &Part) -> Vec<Extent> {
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
            segment: sealed.id,
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
