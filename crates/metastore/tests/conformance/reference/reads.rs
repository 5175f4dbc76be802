use std::cmp::Reverse;

use async_trait::async_trait;
use esker_metastore::*;
use esker_model::PartitionKey;

use super::{Log, Reference};

#[async_trait]
impl Reads for Reference {
    async fn heads(&self, partitions: &[PartitionKey]) -> Result<Vec<Option<Head>>> {
        let state = self.state();
        let head = |key| Some(state.logs.get(key)?.head());
        Ok(partitions.iter().map(head).collect())
    }

    async fn plan(&self, requests: &[PlanRequest]) -> Result<Vec<Plan>> {
        let state = self.state();
        let plan = |request: &PlanRequest| match state.logs.get(&request.partition) {
            None => Plan {
                head: None,
                manifest: None,
                extents: vec![],
            },
            Some(log) => Plan {
                head: Some(log.head()),
                manifest: log.listed(request.from),
                extents: extents(log, request),
            },
        };
        Ok(requests.iter().map(plan).collect())
    }

    async fn find_by_time(&self, requests: &[TimeRequest]) -> Result<Vec<TimeReply>> {
        let state = self.state();
        let find = |request: &TimeRequest| match state.logs.get(&request.partition) {
            None => TimeReply {
                head: None,
                manifest: None,
                extent: None,
            },
            Some(log) => TimeReply {
                head: Some(log.head()),
                manifest: log.listed(match request.query {
                    TimeQuery::AtOrAfter { from, .. } => from.max(log.log_start),
                    TimeQuery::Max => log.log_start,
                }),
                extent: find(log, request.query).copied(),
            },
        };
        Ok(requests.iter().map(find).collect())
    }

    async fn stored_bytes(
        &self,
        partitions: &[PartitionKey],
        extents_max: usize,
    ) -> Result<Vec<Option<u64>>> {
        let state = self.state();
        let size = |key: &PartitionKey| {
            let log = state.logs.get(key)?;
            let listed = log.listed(0).and(log.manifest.as_ref());
            let apart: u64 = log.readable().map(|extent| extent.bytes).sum();
            let bytes = listed.map_or(0, |row| row.summary.bytes) + apart;
            (log.readable().count() <= extents_max).then_some(bytes)
        };
        Ok(partitions.iter().map(size).collect())
    }
}

fn extents(log: &Log, request: &PlanRequest) -> Vec<Extent> {
    let mut bytes = 0;
    log.readable()
        .filter(|extent| extent.end_offset > request.from)
        .enumerate()
        .take_while(|(index, extent)| {
            let before = bytes;
            bytes += extent.bytes;
            *index == 0 || before < request.bytes_max
        })
        .map(|(_, extent)| *extent)
        .take(request.extents_max)
        .collect()
}

fn find(log: &Log, query: TimeQuery) -> Option<&Extent> {
    match query {
        TimeQuery::AtOrAfter { timestamp, from } => log
            .readable()
            .filter(|extent| extent.end_offset > log.log_start)
            .find(|extent| extent.end_offset > from && extent.max_timestamp >= timestamp),
        TimeQuery::Max => log
            .readable()
            .filter(|extent| extent.end_offset > log.log_start)
            .min_by_key(|extent| (Reverse(extent.max_timestamp), extent.base_offset)),
    }
}
