use std::collections::BTreeSet;

use async_trait::async_trait;
use esker_metastore::*;
use esker_model::{IncarnationId, PartitionKey, SegmentId, SegmentKind};

use super::{ArchiveRow, EPOCH, Log, Reference, State};

#[async_trait]
impl Archives for Reference {
    async fn waiting_segments(
        &self,
        skip: usize,
        bytes_max: u64,
        segments_max: usize,
    ) -> Result<Vec<WaitingSegment>> {
        let now_ms = self.now_ms();
        let state = self.state();
        let mut live: Vec<_> = state
            .segments
            .iter()
            .filter(|(_, row)| row.reply.is_some() && row.released_ms.is_none())
            .collect();
        live.sort_by_key(|(key, row)| (row.committed_ms, **key));
        let mut bytes = 0;
        let mut waiting = Vec::new();
        for (key, row) in live.into_iter().skip(skip) {
            if !waiting.is_empty() && (bytes >= bytes_max || waiting.len() >= segments_max) {
                break;
            }
            bytes += row.object_bytes;
            waiting.push(WaitingSegment {
                id: id(SegmentKind::Ingest, *key),
                object_bytes: row.object_bytes,
                age_ms: now_ms - row.committed_ms,
            });
        }
        Ok(waiting)
    }

    async fn unarchived(&self, segments: &[SegmentId]) -> Result<Vec<(PartitionKey, Extent)>> {
        let state = self.state();
        let of_log = |(key, log): (&PartitionKey, &Log)| {
            let extents = log.extents.iter();
            let asked = extents.filter(|extent| segments.contains(&extent.segment));
            asked.map(|extent| (*key, *extent)).collect::<Vec<_>>()
        };
        Ok(state.logs.iter().flat_map(of_log).collect())
    }

    async fn archive(&self, request: &ArchiveRequest) -> Result<Vec<bool>> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        state.check_epoch(request.epoch)?;
        state.check_fence(request.incarnation)?;
        let extents = || request.partitions.iter().flat_map(|archived| &archived.extents);
        if extents().any(|extent| in_archive(extent) && extent.segment.incarnation != request.incarnation) {
            return Err(MetastoreError::Corrupt("the segment of another".to_owned()));
        }
        let before = state.clone();
        let mut registered = BTreeSet::new();
        let mut accepted = Vec::new();
        for archived in &request.partitions {
            accepted.push(state.archive_one(archived, now_ms));
            let archive = archived.extents.iter().filter(|extent| in_archive(extent));
            if accepted.last() == Some(&true) {
                registered.extend(archive.map(|extent| (extent.segment.incarnation, extent.segment.seq)));
            }
        }
        if registered
            .iter()
            .any(|key| before.archive_segments.contains_key(key))
        {
            *state = before;
            return Err(MetastoreError::AlreadySettled);
        }
        Ok(accepted)
    }

    async fn release(&self, segments: &[SegmentId]) -> Result<Vec<bool>> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        Ok(segments.iter().map(|id| state.release_one(*id, now_ms)).collect())
    }

    async fn registered(&self, segments: &[SegmentId]) -> Result<Vec<bool>> {
        let state = self.state();
        let has_row = |id: &SegmentId| {
            id.kind == SegmentKind::Archive && state.archive_segments.contains_key(&(id.incarnation, id.seq))
        };
        Ok(segments.iter().map(has_row).collect())
    }

    async fn empty_buckets(&self) -> Result<u64> {
        Ok(0)
    }

    async fn mostly_dead(&self, bytes_min: u64, limit: usize) -> Result<Vec<SegmentId>> {
        let state = self.state();
        let live_bytes = |id: SegmentId| -> u64 {
            let archived = state.logs.values().flat_map(|log| &log.archived);
            let inside = archived.filter(|extent| extent.segment == id);
            inside.map(|extent| extent.bytes).sum()
        };
        let rows = state.archive_segments.iter();
        let dead = rows.filter(|(key, row)| {
            row.released_ms.is_none()
                && row.object_bytes >= bytes_min
                && 4 * live_bytes(id(SegmentKind::Archive, **key)) < row.object_bytes
        });
        Ok(dead
            .map(|(key, _)| id(SegmentKind::Archive, *key))
            .take(limit)
            .collect())
    }

    async fn archived_in(&self, segments: &[SegmentId]) -> Result<Vec<(PartitionKey, Extent)>> {
        let state = self.state();
        let of_log = |(key, log): (&PartitionKey, &Log)| {
            let kept = log
                .archived
                .iter()
                .filter(|extent| extent.end_offset > log.log_start);
            let archived = kept.filter(|extent| in_archive(extent));
            let asked = archived.filter(|extent| segments.contains(&extent.segment));
            asked.map(|extent| (*key, *extent)).collect::<Vec<_>>()
        };
        Ok(state.logs.iter().flat_map(of_log).collect())
    }

    async fn move_archived(&self, request: &ArchiveRequest) -> Result<Vec<bool>> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        state.check_epoch(request.epoch)?;
        state.check_fence(request.incarnation)?;
        let extents = || request.partitions.iter().flat_map(|moved| &moved.extents);
        if extents().any(|extent| in_archive(extent) && extent.segment.incarnation != request.incarnation) {
            return Err(MetastoreError::Corrupt("the segment of another".to_owned()));
        }
        let before = state.clone();
        let (mut registered, mut accepted) = (BTreeSet::new(), Vec::new());
        for moved in &request.partitions {
            accepted.push(state.move_one(moved));
            if accepted.last() == Some(&true) {
                let archive = moved.extents.iter().filter(|extent| in_archive(extent));
                registered.extend(archive.map(|extent| (extent.segment.incarnation, extent.segment.seq)));
            }
        }
        if registered
            .iter()
            .any(|key| before.archive_segments.contains_key(key))
        {
            *state = before;
            return Err(MetastoreError::AlreadySettled);
        }
        state.release_unused(now_ms);
        Ok(accepted)
    }
}

pub(super) fn id(kind: SegmentKind, (incarnation, seq): (IncarnationId, u64)) -> SegmentId {
    SegmentId {
        kind,
        epoch: EPOCH,
        incarnation,
        seq,
    }
}

pub(super) fn in_archive(extent: &Extent) -> bool {
    extent.segment.kind == SegmentKind::Archive
}

impl State {
    fn archive_one(&mut self, archived: &ArchivedPartition, now_ms: i64) -> bool {
        let Some(log) = self.logs.get_mut(&archived.partition) else {
            return false;
        };
        let mut end = log.archived_to;
        for extent in &archived.extents {
            if extent.base_offset != end || extent.end_offset <= end {
                return false;
            }
            end = extent.end_offset;
        }
        if archived.extents.is_empty() || end > log.next_offset {
            return false;
        }
        for extent in &archived.extents {
            if in_archive(extent) {
                let key = (extent.segment.incarnation, extent.segment.seq);
                let row = ArchiveRow {
                    object_bytes: extent.object_bytes,
                    released_ms: None,
                    kept_ms: 0,
                };
                self.archive_segments.entry(key).or_insert(row);
            }
            log.archived.push(Extent {
                producer: None,
                transactional: false,
                ..*extent
            });
            log.archived_ms.push(now_ms);
        }
        log.archived_to = end;
        log.extents.retain(|extent| extent.end_offset > end);
        true
    }

    fn move_one(&mut self, moved: &ArchivedPartition) -> bool {
        let (Some(log), Some(first), Some(last)) = (
            self.logs.get_mut(&moved.partition),
            moved.extents.first(),
            moved.extents.last(),
        ) else {
            return false;
        };
        let meet = moved
            .extents
            .windows(2)
            .all(|pair| pair[0].end_offset == pair[1].base_offset);
        let (from, to) = (first.base_offset, last.end_offset);
        let inside = |extent: &Extent| from <= extent.base_offset && extent.end_offset <= to;
        let replaced: Vec<usize> = (0..log.archived.len())
            .filter(|at| inside(&log.archived[*at]))
            .collect();
        let covered: i64 = replaced
            .iter()
            .map(|at| log.archived[*at].end_offset - log.archived[*at].base_offset)
            .sum();
        let empty = moved
            .extents
            .iter()
            .any(|extent| extent.base_offset >= extent.end_offset);
        if !meet || empty || covered != to - from || log.archived[replaced[0]].end_offset <= log.log_start {
            return false;
        }
        let archived_ms = replaced.iter().map(|at| log.archived_ms[*at]).max().unwrap();
        let at = replaced[0];
        log.archived.drain(at..at + replaced.len());
        log.archived_ms.drain(at..at + replaced.len());
        for extent in moved.extents.iter().rev() {
            log.archived.insert(
                at,
                Extent {
                    producer: None,
                    transactional: false,
                    ..*extent
                },
            );
            log.archived_ms.insert(at, archived_ms);
            if in_archive(extent) {
                let key = (extent.segment.incarnation, extent.segment.seq);
                let row = ArchiveRow {
                    object_bytes: extent.object_bytes,
                    released_ms: None,
                    kept_ms: 0,
                };
                self.archive_segments.entry(key).or_insert(row);
            }
        }
        true
    }

    pub(super) fn release_one(&mut self, id: SegmentId, now_ms: i64) -> bool {
        let holds = |log: &Log| match id.kind {
            SegmentKind::Ingest => log.extents.iter().any(|extent| extent.segment == id),
            SegmentKind::Archive | SegmentKind::Merged(_) => {
                log.archived.iter().any(|extent| extent.segment == id)
            }
        };
        if self.logs.values().any(holds) {
            return false;
        }
        let key = (id.incarnation, id.seq);
        let is_hole = self
            .logs
            .values()
            .any(|log| log.archived.iter().any(|extent| extent.segment == id));
        match id.kind {
            SegmentKind::Ingest => {
                if let Some(row) = self.segments.get_mut(&key)
                    && row.reply.is_some()
                    && row.released_ms.is_none()
                {
                    row.released_ms = Some(now_ms);
                    row.kept_ms = if is_hole { HOLE_KEPT_MS } else { 0 };
                }
            }
            SegmentKind::Archive => {
                if let Some(row) = self.archive_segments.get_mut(&key) {
                    row.released_ms.get_or_insert(now_ms);
                }
            }
            SegmentKind::Merged(_) => {}
        }
        true
    }

    /// Releases the archive segments that hold nothing.
    pub(super) fn release_unused(&mut self, now_ms: i64) {
        let archived = self.logs.values().flat_map(|log| &log.archived);
        let archived = archived.filter(|extent| in_archive(extent));
        let used: BTreeSet<_> = archived
            .map(|extent| (extent.segment.incarnation, extent.segment.seq))
            .collect();
        for (key, row) in &mut self.archive_segments {
            if !used.contains(key) {
                row.released_ms.get_or_insert(now_ms);
            }
        }
    }
}
