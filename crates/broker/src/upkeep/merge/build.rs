//! From batches of one partition to merged segments, and to the entries of its manifest. No I/O.
//!
//! What holds: a merged segment has at most [`MergeLimits::object_bytes`](crate::config::MergeLimits) of batches, unless one
//! batch is larger. Batches lie end to end; where some cannot be read there is a hole.

use esker_metastore::Extent;
use esker_model::{LogId, SegmentId};
use esker_storage::manifest::{Entry, Hole, ListedChunk, ListedSegment};
use esker_storage::segment::InvalidRun;
use esker_storage::segment::archive::{ArchiveWriter, ArchivedBatch, SealedArchive};

use crate::upkeep::sealed;

/// What takes a partition's records in order.
pub(super) struct Builder<'a> {
    log: LogId,
    archived_ms: i64,
    bytes_max: u64,
    name: &'a mut dyn FnMut() -> SegmentId,
    /// Batches of the segment that is being filled, and where they begin.
    batches: Vec<ArchivedBatch>,
    bytes: u64,
    base_offset: i64,
    /// Where the next record goes.
    next_offset: i64,
    pub built: Vec<Built>,
}

/// An entry of a manifest, with the object that it lists.
#[derive(Debug)]
pub(super) struct Built {
    pub entry: Entry,
    pub object: Option<SealedArchive>,
}

impl<'a> Builder<'a> {
    /// Begins at an offset. `name` names each segment; `archived_ms` is what its entry says.
    pub(super) fn new(
        log: LogId,
        base_offset: i64,
        archived_ms: i64,
        bytes_max: u64,
        name: &'a mut dyn FnMut() -> SegmentId,
    ) -> Self {
        Self {
            log,
            archived_ms,
            bytes_max,
            name,
            batches: Vec::new(),
            bytes: 0,
            base_offset,
            next_offset: base_offset,
            built: Vec::new(),
        }
    }

    /// Appends the batches of an extent. Those that lie below `log_start` are left out, if nothing came before them.
    pub(super) fn push(
        &mut self,
        extent: &Extent,
        batches: Vec<ArchivedBatch>,
        log_start: i64,
    ) -> Result<(), InvalidRun> {
        if extent.base_offset != self.next_offset {
            return Err(InvalidRun("extents do not follow on each other"));
        }
        for batch in batches {
            let end = self.next_offset + i64::from(batch.records);
            if self.built.is_empty() && self.batches.is_empty() && end <= log_start {
                self.base_offset = end;
                self.next_offset = end;
                continue;
            }
            let bytes = batch.bytes.len() as u64;
            if !self.batches.is_empty() && self.bytes + bytes > self.bytes_max {
                self.end_segment()?;
            }
            self.bytes += bytes;
            self.next_offset = end;
            self.batches.push(batch);
        }
        Ok(())
    }

    /// Appends records that cannot be read.
    pub(super) fn push_hole(&mut self, extent: &Extent) -> Result<(), InvalidRun> {
        if extent.base_offset != self.next_offset {
            return Err(InvalidRun("extents do not follow on each other"));
        }
        self.end_segment()?;
        self.next_offset = extent.end_offset;
        self.base_offset = extent.end_offset;
        self.built.push(Built {
            entry: Entry::Hole(Hole {
                segment: extent.segment,
                object_bytes: extent.object_bytes,
                position: extent.position,
                bytes: extent.bytes,
                base_offset: extent.base_offset,
                end_offset: extent.end_offset,
                max_timestamp: extent.max_timestamp,
                archived_ms: self.archived_ms,
            }),
            object: None,
        });
        Ok(())
    }

    /// Where the next record would go.
    pub(super) fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Ends the segment that is being filled.
    pub(super) fn end_segment(&mut self) -> Result<(), InvalidRun> {
        if self.batches.is_empty() {
            return Ok(());
        }
        let mut writer = ArchiveWriter::new((self.name)());
        writer.push(
            self.log.topic,
            self.log.partition,
            self.base_offset,
            &self.batches,
        )?;
        let sealed = writer.seal();
        self.batches.clear();
        self.bytes = 0;
        let chunks: Vec<ListedChunk> = sealed
            .parts
            .iter()
            .flat_map(|part| sealed::extents(&sealed, part))
            .filter_map(|extent| listed_chunk(&extent))
            .collect();
        let entry = Entry::Segment(ListedSegment {
            id: sealed.id,
            object_bytes: sealed.object_bytes,
            base_offset: self.base_offset,
            archived_ms: self.archived_ms,
            chunks,
        });
        self.base_offset = self.next_offset;
        self.built.push(Built {
            entry,
            object: Some(sealed),
        });
        Ok(())
    }
}

/// A merged segment's chunk holds one partition's records and nothing else.
fn listed_chunk(extent: &Extent) -> Option<ListedChunk> {
    let chunk = extent.chunk?;
    Some(ListedChunk {
        offsets: extent.base_offset.abs_diff(extent.end_offset),
        bytes: chunk.bytes,
        crc: chunk.crc,
        max_timestamp: extent.max_timestamp,
    })
}
