use std::collections::BTreeSet;

use async_trait::async_trait;
use esker_metastore::*;
use esker_model::{IncarnationId, PartitionKey, SegmentId, SegmentKind};

use super::{ArchiveRow, EPOCH, Life, Log, Reference, State};

#[async_trait]
impl Archives for Reference {
    async fn claim_job(&self, job: &str, incarnation: IncarnationId, lease_ms: i64) -> Result<bool> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        state.check_fence(incarnation)?;
        let taken = state.jobs.get(job).is_some_and(|(holder, until_ms)| {
            *holder != incarnation && *until_ms >= now_ms && state.check_fence(*holder).is_ok()
        });
        if !taken {
            let lease = (incarnation, now_ms + lease_ms);
            state.jobs.insert(job.to_owned(), lease);
        }
        Ok(!taken)
    }

    async fn waiting_segments(&self, bytes_max: u64, segments_max: usize) -> Result<Vec<WaitingSegment>> {
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
        for (key, row) in live {
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

    async fn unneeded(&self, grace_ms: i64, limit: usize) -> Result<Vec<SegmentId>> {
        let before = self.now_ms() - grace_ms;
        let state = self.state();
        let settled = |(incarnation, seq): &(IncarnationId, u64)| match state.agents.get(incarnation) {
            Some(agent) if agent.life == Life::Live => *seq <= agent.settled_through,
            _ => true,
        };
        let ingest = state.segments.iter().filter(|(key, _)| settled(key));
        let ingest = ingest.map(|(key, row)| (row.released_ms, *key, SegmentKind::Ingest));
        let archive = state.archive_segments.iter();
        let archive = archive.map(|(key, row)| (row.released_ms, *key, SegmentKind::Archive));
        let released = ingest.chain(archive);
        let mut unneeded: Vec<_> = released
            .filter(|(released_ms, _, _)| released_ms.is_some_and(|at| at <= before))
            .collect();
        unneeded.sort_unstable();
        unneeded.truncate(limit);
        Ok(unneeded.into_iter().map(|(_, key, kind)| id(kind, key)).collect())
    }

    async fn forget_segments(&self, segments: &[SegmentId]) -> Result<()> {
        let mut state = self.state();
        for id in segments {
            let forget = |key: &(IncarnationId, u64), released_ms: Option<i64>| {
                *key == (id.incarnation, id.seq) && released_ms.is_some()
            };
            match id.kind {
                SegmentKind::Ingest => state.segments.retain(|key, row| !forget(key, row.released_ms)),
                SegmentKind::Archive => {
                    let rows = &mut state.archive_segments;
                    rows.retain(|key, row| !forget(key, row.released_ms));
                }
                SegmentKind::Merged(_) => {}
            }
        }
        Ok(())
    }

    async fn empty_buckets(&self) -> Result<u64> {
        Ok(0)
    }
}

fn id(kind: SegmentKind, (incarnation, seq): (IncarnationId, u64)) -> SegmentId {
    SegmentId {
        kind,
        epoch: EPOCH,
        incarnation,
        seq,
    }
}

fn in_archive(extent: &Extent) -> bool {
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
                let row = ArchiveRow { released_ms: None };
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
        match id.kind {
            SegmentKind::Ingest => {
                if let Some(row) = self.segments.get_mut(&key)
                    && row.reply.is_some()
                {
                    row.released_ms.get_or_insert(now_ms);
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
