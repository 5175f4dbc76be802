//! What makes a manifest one: the same rules for those that are written and those that were read.

use esker_model::{LogId, SegmentKind};

use super::{Entry, Hole, Leaf, ListedSegment, Manifest};
use crate::bucket::OBJECT_BYTES_MAX;

/// All sizes and counts, also added up, fit 63 bits: what the metastore can store.
const SUM_MAX: u64 = i64::MAX as u64;

/// Why a manifest could not be written: a programming error of the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a manifest that could be read: {0}")]
pub struct InvalidManifest(pub &'static str);

/// Says what is wrong, if anything is.
pub(super) fn check(manifest: &Manifest) -> Result<(), InvalidManifest> {
    let log = manifest.id.log;
    if log.partition < 0 || manifest.base_offset < 0 {
        return Err(InvalidManifest("a partition or an offset is negative"));
    }
    let mut walk = Walk::default();
    for leaf in &manifest.leaves {
        walk.leaf(leaf, log)?;
    }
    for entry in &manifest.entries {
        match entry {
            Entry::Segment(segment) => walk.segment(segment, log)?,
            Entry::Hole(hole) => walk.hole(hole)?,
        }
    }
    match walk.first {
        Some((base_offset, end_offset)) if !(base_offset..end_offset).contains(&manifest.base_offset) => Err(
            InvalidManifest("its base offset lies outside of what it lists first"),
        ),
        _ => Ok(()),
    }
}

/// What was listed so far.
#[derive(Default)]
struct Walk {
    /// The offsets of what came first.
    first: Option<(i64, i64)>,
    end_offset: i64,
    bytes: u64,
    objects: u64,
}

impl Walk {
    fn leaf(&mut self, leaf: &Leaf, log: LogId) -> Result<(), InvalidManifest> {
        if leaf.id.log != log {
            return Err(InvalidManifest("a leaf is of another partition"));
        }
        if !(1..=OBJECT_BYTES_MAX).contains(&leaf.object_bytes) {
            return Err(InvalidManifest("a leaf has a size that no object may have"));
        }
        self.objects = add(self.objects, leaf.segments.saturating_add(1))?;
        self.cover(leaf.base_offset, leaf.end_offset, leaf.bytes)
    }

    fn segment(&mut self, segment: &ListedSegment, log: LogId) -> Result<(), InvalidManifest> {
        if segment.id.kind != SegmentKind::Merged(log) {
            return Err(InvalidManifest(
                "a segment is not one that was merged for this partition",
            ));
        }
        fits(segment.object_bytes)?;
        let mut end_offset = segment.base_offset;
        for chunk in &segment.chunks {
            if chunk.offsets == 0 || chunk.bytes == 0 {
                return Err(InvalidManifest("a chunk is empty"));
            }
            end_offset = end_offset
                .checked_add_unsigned(chunk.offsets)
                .ok_or(InvalidManifest("its offsets do not fit"))?;
        }
        if segment.bytes() > segment.object_bytes {
            return Err(InvalidManifest("chunks do not fit into their segment"));
        }
        self.objects = add(self.objects, 1)?;
        self.cover(segment.base_offset, end_offset, segment.bytes())
    }

    fn hole(&mut self, hole: &Hole) -> Result<(), InvalidManifest> {
        if let SegmentKind::Merged(_) = hole.segment.kind {
            return Err(InvalidManifest("a hole is in a merged segment"));
        }
        fits(hole.object_bytes)?;
        let end = hole.position.checked_add(hole.bytes);
        if end.is_none_or(|end| end > hole.object_bytes) {
            return Err(InvalidManifest("a hole does not fit into its segment"));
        }
        self.cover(hole.base_offset, hole.end_offset, hole.bytes)
    }

    /// Goes on to what covers these offsets in so many bytes.
    fn cover(&mut self, base_offset: i64, end_offset: i64, bytes: u64) -> Result<(), InvalidManifest> {
        if base_offset < 0 || end_offset <= base_offset || bytes == 0 {
            return Err(InvalidManifest("a leaf or an entry is empty, or below offset 0"));
        }
        if self.first.is_some() && self.end_offset != base_offset {
            return Err(InvalidManifest("leaves and entries do not lie end to end"));
        }
        self.first.get_or_insert((base_offset, end_offset));
        self.end_offset = end_offset;
        self.bytes = add(self.bytes, bytes)?;
        Ok(())
    }
}

fn add(sum: u64, more: u64) -> Result<u64, InvalidManifest> {
    let sum = sum.saturating_add(more);
    fits(sum).map(|()| sum)
}

fn fits(size: u64) -> Result<(), InvalidManifest> {
    if size <= SUM_MAX {
        Ok(())
    } else {
        Err(InvalidManifest("its sizes do not fit"))
    }
}
