use async_trait::async_trait;
use esker_metastore::*;
use esker_model::IncarnationId;

use super::{JobRow, Life, Reference};

#[async_trait]
impl Jobs for Reference {
    async fn claim_job(
        &self,
        job: &str,
        incarnation: IncarnationId,
        lease_ms: i64,
        every_ms: i64,
    ) -> Result<bool> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        state.check_fence(incarnation)?;
        let taken = state.jobs.get(job).is_some_and(|row| {
            row.holder != incarnation && row.until_ms >= now_ms && state.lives(row.holder)
        });
        let done_ms = state.jobs.get(job).and_then(|row| row.done_ms);
        let is_due = done_ms.is_none_or(|done_ms| done_ms > now_ms || now_ms - done_ms >= every_ms);
        if !taken && is_due {
            let report = state.jobs.get(job).and_then(|row| row.report.clone());
            let row = JobRow {
                holder: incarnation,
                until_ms: now_ms + lease_ms,
                report,
                done_ms,
            };
            state.jobs.insert(job.to_owned(), row);
        }
        Ok(!taken && is_due)
    }

    async fn report_job(
        &self,
        job: &str,
        incarnation: IncarnationId,
        report: &JobReport,
        done: bool,
    ) -> Result<()> {
        let now_ms = self.now_ms();
        if let Some(row) = self.state().jobs.get_mut(job)
            && row.holder == incarnation
        {
            row.report = Some((report.clone(), now_ms));
            if done {
                row.done_ms = Some(now_ms);
            }
        }
        Ok(())
    }

    async fn upkeep_status(&self) -> Result<UpkeepStatus> {
        let now_ms = self.now_ms();
        let state = self.state();
        let waiting: Vec<_> = state
            .segments
            .values()
            .filter(|row| row.reply.is_some() && row.released_ms.is_none())
            .collect();
        let going = state
            .segments
            .values()
            .filter(|row| row.reply.is_none() || (row.released_ms.is_some() && !row.gone));
        let manifests: Vec<_> = state
            .logs
            .values()
            .filter_map(|log| log.manifest.as_ref())
            .collect();
        let archive = |released: bool| {
            let rows = state.archive_segments.values();
            rows.filter(|row| row.released_ms.is_some() == released).count() as u64
        };
        let jobs = state.jobs.iter().map(|(name, row)| JobStatus {
            name: name.clone(),
            node_name: state
                .agents
                .get(&row.holder)
                .filter(|agent| agent.life == Life::Live && row.until_ms >= now_ms)
                .map(|agent| state.nodes[agent.node_id.0 as usize - 1].clone()),
            report: row
                .report
                .as_ref()
                .map(|(report, _)| report.clone())
                .unwrap_or_default(),
            report_age_ms: row.report.as_ref().map(|(_, at)| now_ms - at),
        });
        Ok(UpkeepStatus {
            waiting_segments: waiting.len() as u64,
            waiting_bytes: waiting.iter().map(|row| row.object_bytes).sum(),
            waiting_age_ms: waiting
                .iter()
                .map(|row| now_ms - row.committed_ms)
                .max()
                .unwrap_or(0),
            archived_extents: state.logs.values().map(|log| log.archived.len() as u64).sum(),
            archive_segments: archive(false),
            manifests: manifests.len() as u64,
            manifest_bytes: manifests.iter().map(|row| row.summary.bytes).sum(),
            unneeded_objects: going.count() as u64 + archive(true) + state.unneeded.len() as u64,
            topics_to_empty: state.to_empty.len() as u64,
            to_sweep: state
                .agents
                .values()
                .filter(|agent| matches!(agent.life, Life::Fenced | Life::Left))
                .count() as u64,
            jobs: jobs.collect(),
        })
    }
}
