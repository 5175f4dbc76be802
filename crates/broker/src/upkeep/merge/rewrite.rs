//! One partition whose manifest is replaced: what is read for it, and what becomes of that.
//!
//! `manifest without what is dead → segments that are written again → extents that wait → new manifest`
//!
//! What holds: where something cannot be read for now, the new manifest ends before it. Archived records that cannot be
//! read at all are given up only when the metastore, asked again in a later pass, still names the same object ([`Suspects`]);
//! then they are a hole. What a manifest lists already stays listed as it is if it cannot be read.
//! A manifest or a leaf that is gone or damaged is done without where all that it lists lies below the log start; the
//! sweep finds the objects then. Otherwise its partition is left alone.

use esker_metastore::{Extent, ToMerge};
use esker_model::SegmentId;
use esker_model::planted::{Mistake, planted};
use esker_storage::StoreError;
use esker_storage::manifest::{Entry, ListedSegment, Manifest};
use esker_storage::segment::InvalidRun;

use super::build::{Builder, Built};
use super::edit::Edit;
use super::read::Chunks;
use super::suspects::Suspects;
use crate::config::MergeLimits;
use crate::fetch::listed;
use crate::manifests;
use crate::upkeep::Upkeep;
use crate::upkeep::archive::gather::NoBytes;

/// A merged segment is not written again if its records would then span a larger part of the time that they are kept
/// than one of so many: what is kept beyond its time is bounded by that.
const RETENTION_PARTS: i64 = 8;

/// Whether an object is gone or damaged.
fn is_lost(err: &StoreError) -> bool {
    matches!(err, StoreError::NotFound { .. } | StoreError::Corrupt { .. })
}

/// A partition whose manifest is to be replaced.
pub(super) struct Rewrite {
    from: ToMerge,
    edit: Edit,
    /// What is written again, then what waits; end to end.
    sources: Vec<Extent>,
    /// How many of the sources wait.
    waiting: usize,
}

/// The same partition with what was built for it.
pub(super) struct Rewritten {
    pub from: ToMerge,
    pub edit: Edit,
    pub built: Vec<Built>,
    /// Extents of the metastore that the new manifest takes over.
    pub extents: u64,
    /// Bytes of batches in them.
    pub bytes: u64,
    /// Archive segments of extents that could not be read, one for each.
    pub lost: Vec<SegmentId>,
}

impl Rewrite {
    /// Reads the present manifest and decides what is to be read. `with_extents`: what waits is due. `retention_ms`:
    /// how long the topic keeps records.
    pub(super) async fn begin(
        upkeep: &Upkeep,
        suspects: &Suspects,
        from: ToMerge,
        with_extents: bool,
        bytes_max: u64,
        retention_ms: Option<i64>,
    ) -> Result<Option<Self>, StoreError> {
        let (cache, bucket) = (upkeep.cache.as_ref(), &upkeep.bucket);
        let mut edit = match from.manifest {
            None => Edit::new(Manifest::empty(upkeep.new_manifest(from.log), from.log_start)),
            Some(present) => match manifests::read_once(cache, bucket, present.id).await {
                Ok(manifest) => Edit::new(manifest),
                Err(err) if is_lost(&err) && present.end_offset <= from.log_start => {
                    let name = upkeep.new_manifest(from.log);
                    Edit::instead_of_dead(Manifest::empty(name, present.end_offset))
                }
                Err(err) => return Err(err),
            },
        };
        loop {
            edit.drop_dead(from.log_start);
            let Some(leaf) = edit.wants_leaf() else { break };
            match manifests::read_once(cache, bucket, leaf).await {
                Ok(leaf) => edit.put_leaf(leaf),
                Err(err) if is_lost(&err) && edit.drop_dead_leaf(from.log_start) => {}
                Err(err) => return Err(err),
            }
        }
        let mut rewrite = Self {
            sources: Vec::new(),
            waiting: 0,
            from,
            edit,
        };
        if with_extents {
            rewrite.choose(suspects, &upkeep.merge, bytes_max, retention_ms);
        }
        let changes = rewrite.edit.has_dropped() || rewrite.waiting > 0;
        Ok(changes.then_some(rewrite))
    }

    /// Takes as much of what waits as there is room for, and of the end of the manifest what is small beside it.
    fn choose(
        &mut self,
        suspects: &Suspects,
        limits: &MergeLimits,
        bytes_max: u64,
        retention_ms: Option<i64>,
    ) {
        let meets = |first: &Extent| first.base_offset == self.edit.manifest.end_offset();
        if !self.edit.is_empty() && !self.from.extents.first().is_some_and(meets) {
            // Nothing may lie between them. Whoever let it come to that will be found by a check.
            return;
        }
        let mut bytes = 0;
        let fits = |extent: &&Extent| {
            let is_first = bytes == 0;
            bytes += extent.bytes;
            is_first || bytes <= bytes_max
        };
        self.waiting = self.from.extents.iter().take_while(fits).count();
        let waiting = &self.from.extents[..self.waiting];
        let mut bytes: u64 = waiting.iter().map(|extent| extent.bytes).sum();
        let span_max = retention_ms.map(|ms| ms / RETENTION_PARTS);
        let mut again: Vec<ListedSegment> = Vec::new();
        while let Some((last, before)) = self.edit.last_segment() {
            let since = before.unwrap_or(last.archived_ms);
            let span = self.from.archived_ms.saturating_sub(since);
            let small = last.bytes() <= bytes && last.bytes() + bytes <= limits.object_bytes.min(bytes_max);
            let is_suspect = suspects.has(self.from.partition, last);
            if !small || is_suspect || span_max.is_some_and(|max| span > max) {
                break;
            }
            bytes += last.bytes();
            again.extend(self.edit.take_last_segment());
        }
        for segment in again.into_iter().rev() {
            let entry = Entry::Segment(segment);
            self.sources
                .extend(entry.places().map(|place| listed::extent(&place)));
        }
        self.sources.extend_from_slice(waiting);
    }

    /// What has to be read.
    pub(super) fn sources(&self) -> &[Extent] {
        &self.sources
    }

    /// Bytes that reading it takes, about.
    pub(super) fn bytes(&self) -> u64 {
        self.sources.iter().map(|extent| extent.bytes).sum()
    }

    /// Builds segments out of what was read; `None`: nothing can be done for it now.
    pub(super) fn build(
        self,
        upkeep: &Upkeep,
        chunks: &Chunks,
        suspects: &mut Suspects,
    ) -> Result<Option<Rewritten>, InvalidRun> {
        let Self {
            from,
            edit,
            sources,
            waiting,
        } = self;
        let again = sources.len() - waiting;
        let log = from.log;
        let mut name = || upkeep.new_merged_segment(log);
        let begin = sources.first().map_or(from.log_start, |first| first.base_offset);
        let bytes_max = upkeep.merge.object_bytes;
        let mut builder = Builder::new(log, begin, from.archived_ms, bytes_max, &mut name);
        let (mut taken, mut lost) = (0, Vec::new());
        for (number, extent) in sources.iter().enumerate() {
            let read = match extent.chunk {
                None => Err(NoBytes::Never),
                Some(_) => chunks.batches(extent),
            };
            match read {
                Ok(batches) => {
                    suspects.was_read(from.partition, extent);
                    builder.push(extent, batches, from.log_start)?;
                }
                Err(NoBytes::Never) if extent.chunk.is_none() => builder.push_hole(extent)?,
                Err(NoBytes::Never) if suspects.note(from.partition, extent) && number >= again => {
                    builder.push_hole(extent)?;
                    lost.push(extent.segment);
                }
                Err(_) if planted(Mistake::MergeWithGap) && number >= again => builder.push_hole(extent)?,
                Err(_) => break,
            }
            taken += 1;
        }
        if taken < again || (taken == 0 && !edit.has_dropped()) {
            return Ok(None);
        }
        builder.end_segment()?;
        let end = builder.next_offset();
        let built = std::mem::take(&mut builder.built);
        let taken_over = &sources[again..taken];
        let mut edit = edit;
        if built.is_empty() && edit.is_empty() && !taken_over.is_empty() {
            // All of it lies below the log start.
            edit.manifest.base_offset = end;
        }
        Ok(Some(Rewritten {
            extents: taken_over.len() as u64,
            bytes: taken_over.iter().map(|extent| extent.bytes).sum(),
            from,
            edit,
            built,
            lost,
        }))
    }
}
