use async_trait::async_trait;
use esker_metastore::*;
use esker_model::{PartitionKey, SegmentId, SegmentKind};

use super::Reference;

#[async_trait]
impl Retention for Reference {
    async fn retain(&self, requests: &[RetainRequest]) -> Result<Vec<(PartitionKey, Head)>> {
        let oldest_ms = |ms: i64| self.now_ms().saturating_sub(ms);
        let mut state = self.state();
        let mut moved = Vec::new();
        for request in requests {
            let Some(log) = state.logs.get_mut(&request.partition) else {
                continue;
            };
            let unarchived: u64 = log.extents.iter().map(|extent| extent.bytes).sum();
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
                moved.push((request.partition, log.head()));
            }
        }
        Ok(moved)
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
