use async_trait::async_trait;
use esker_metastore::*;
use esker_model::{PartitionKey, SegmentId, SegmentKind};

use super::{Log, Reference};

#[async_trait]
impl Retention for Reference {
    async fn retain(&self, requests: &[RetainRequest]) -> Result<RetainReply> {
        let now_ms = self.now_ms();
        let oldest_ms = |ms: i64| now_ms.saturating_sub(ms);
        let mut state = self.state();
        let mut reply = RetainReply::default();
        for request in requests {
            let Some(log) = state.logs.get_mut(&request.partition) else {
                continue;
            };
            let unarchived: u64 = log.extents.iter().map(|extent| extent.bytes).sum();
            if let Some(manifest) = log.listed(log.log_start) {
                reply.ripe.extend(log.ripe(request, manifest, now_ms));
                continue;
            }
            let mut start = log.log_start;
            let chunks = log.archived.iter().zip(&log.archived_ms);
            let kept: Vec<_> = chunks.filter(|(extent, _)| extent.end_offset > start).collect();
            let time = |(extent, archived_ms): &(&Extent, &i64)| match extent.max_timestamp {
                -1 => **archived_ms,
                timestamp => timestamp,
            };
            for (at, (extent, _)) in kept.iter().enumerate() {
                let behind: u64 = kept[at + 1..].iter().map(|(extent, _)| extent.bytes).sum();
                let old = |ms| kept[..=at].iter().all(|chunk| time(chunk) < oldest_ms(ms));
                let beyond = |bytes| behind + unarchived >= bytes;
                if request.ms.is_some_and(old) || request.bytes.is_some_and(beyond) {
                    start = extent.end_offset;
                }
            }
            if start > log.log_start {
                log.log_start = start;
                reply.moved.push((request.partition, log.head()));
            }
        }
        Ok(reply)
    }

    async fn advance_log_start(&self, starts: &[(PartitionKey, i64)]) -> Result<Vec<Option<Head>>> {
        let mut state = self.state();
        let mut advance = |(partition, start): &(PartitionKey, i64)| {
            let log = state.logs.get_mut(partition)?;
            log.log_start = log.log_start.max(log.next_offset.min(*start));
            Some(log.head())
        };
        Ok(starts.iter().map(&mut advance).collect())
    }

    async fn drop_archived(&self, limit: usize) -> Result<u64> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        let mut dropped: Vec<SegmentId> = Vec::new();
        for log in state.logs.values_mut() {
            while dropped.len() < limit
                && log
                    .archived
                    .first()
                    .is_some_and(|first| first.end_offset <= log.log_start)
            {
                dropped.push(log.archived.remove(0).segment);
                log.archived_ms.remove(0);
            }
        }
        for segment in &dropped {
            if segment.kind == SegmentKind::Archive {
                state.release_one(*segment, now_ms);
            }
        }
        Ok(dropped.len() as u64)
    }
}

impl Log {
    fn ripe(&self, request: &RetainRequest, manifest: ManifestRef, now_ms: i64) -> Option<Ripe> {
        let summary = self.manifest.as_ref()?.summary;
        let archived: u64 = self.archived.iter().map(|extent| extent.bytes).sum();
        let others: u64 = self.extents.iter().map(|extent| extent.bytes).sum();
        let bytes_behind = archived + others;
        let old = |ms: i64| summary.first_timestamp < now_ms.saturating_sub(ms);
        let beyond = |bytes| summary.bytes - summary.first_bytes + bytes_behind >= bytes;
        let due = request.ms.is_some_and(old) || request.bytes.is_some_and(beyond);
        (self.log_start < summary.first_end_offset && due).then_some(Ripe {
            request: *request,
            log_start: self.log_start,
            manifest,
            bytes_behind,
            now_ms,
        })
    }
}
