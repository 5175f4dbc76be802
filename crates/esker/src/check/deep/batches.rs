//! The batches of an extent: that they parse, have the offsets that the extent says, and are what producers sent.

use bytes::Bytes;
use esker_metastore::Extent;
use esker_model::SegmentKind;
use esker_protocol::batch::Batches;

/// Cuts an extent out of what was read; `begins` is the position of that in the object.
pub(super) fn cut(read: &Bytes, begins: u64, extent: &Extent) -> Result<Bytes, String> {
    let range = extent.position.checked_sub(begins).and_then(|begin| {
        let end = begin.checked_add(extent.bytes)?;
        (end <= read.len() as u64).then_some(begin as usize..end as usize)
    });
    range.map(|range| read.slice(range)).ok_or_else(|| {
        let (from, to) = (extent.position, extent.position.saturating_add(extent.bytes));
        format!("its records are said to lie at bytes {from} to {to}, outside of what holds them")
    })
}

/// Says what is wrong with the bytes of an extent, if anything is.
pub(super) fn verify(extent: &Extent, bytes: Bytes) -> Result<(), String> {
    // Ingest segments hold batches with the offsets that their producers gave them.
    let is_final = extent.segment.kind != SegmentKind::Ingest;
    let mut next = extent.base_offset;
    for batch in Batches::new(bytes) {
        let damaged = |error| format!("the batch at offset {next}: {error}");
        let batch = batch.map_err(damaged)?;
        batch.check_crc().map_err(damaged)?;
        let header = batch.header;
        if is_final && header.base_offset != next {
            return Err(format!(
                "the batch at offset {next} says that it begins at {}",
                header.base_offset
            ));
        }
        let offsets = i64::from(header.last_offset_delta) + 1;
        if offsets < 1 {
            return Err(format!("the batch at offset {next} has {offsets} offsets"));
        }
        next = next.saturating_add(offsets);
    }
    if next == extent.end_offset {
        Ok(())
    } else {
        Err(format!(
            "its batches reach from offset {} to before {next}, and should reach to before {}",
            extent.base_offset, extent.end_offset
        ))
    }
}
