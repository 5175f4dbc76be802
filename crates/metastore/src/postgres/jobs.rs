//! Background work: who does it, and what all of it has before it.

use async_trait::async_trait;
use esker_model::IncarnationId;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::PostgresMetastore;
use super::error::Effect;
use super::past::Past;
use super::reads::unsigned;
use crate::{JobReport, JobStatus, Jobs, MetastoreError, Result, UpkeepStatus};

#[async_trait]
impl Jobs for PostgresMetastore {
    async fn claim_job(
        &self,
        job: &str,
        incarnation: IncarnationId,
        lease_ms: i64,
        every_ms: i64,
    ) -> Result<bool> {
        let query = |past: Past| {
            sqlx::query("SELECT claim_job_v2($1, $2, $3, $4, $5, $6)")
                .bind(past.system)
                .bind(past.timeline)
                .bind(job)
                .bind(incarnation.0)
                .bind(lease_ms)
                .bind(every_ms)
        };
        let rows = self
            .rows_on_known_past("claim_job", Effect::Writes, query)
            .await?;
        match rows.first() {
            Some(row) => Ok(row.try_get(0)?),
            None => Err(MetastoreError::Corrupt("claim_job: no row".to_owned())),
        }
    }

    async fn report_job(
        &self,
        job: &str,
        incarnation: IncarnationId,
        report: &JobReport,
        done: bool,
    ) -> Result<()> {
        let json = serde_json::to_string(report).map_err(|error| unreadable(job, &error))?;
        let query = || {
            sqlx::query("SELECT report_job_v1($1, $2, $3, $4)")
                .bind(job)
                .bind(incarnation.0)
                .bind(&json)
                .bind(done)
        };
        self.session
            .row(&self.general, "report_job", Effect::Writes, query)
            .await?;
        Ok(())
    }

    async fn upkeep_status(&self) -> Result<UpkeepStatus> {
        let query = || sqlx::query("SELECT * FROM upkeep_status_v1()");
        let row = self
            .session
            .row(&self.general, "upkeep_status", Effect::Reads, query)
            .await?;
        Ok(UpkeepStatus {
            waiting_segments: unsigned(&row, "o_waiting_segments")?,
            waiting_bytes: unsigned(&row, "o_waiting_bytes")?,
            waiting_age_ms: row.try_get("o_waiting_age_ms")?,
            archived_extents: unsigned(&row, "o_archived_extents")?,
            archive_segments: unsigned(&row, "o_archive_segments")?,
            manifests: unsigned(&row, "o_manifests")?,
            manifest_bytes: unsigned(&row, "o_manifest_bytes")?,
            unneeded_objects: unsigned(&row, "o_unneeded_objects")?,
            topics_to_empty: unsigned(&row, "o_topics_to_empty")?,
            to_sweep: unsigned(&row, "o_to_sweep")?,
            jobs: jobs(&row)?,
        })
    }
}

fn jobs(row: &PgRow) -> Result<Vec<JobStatus>> {
    let names: Vec<String> = row.try_get("o_job_name")?;
    let node_names: Vec<Option<String>> = row.try_get("o_job_node_name")?;
    let reports: Vec<Option<String>> = row.try_get("o_job_report")?;
    let ages: Vec<Option<i64>> = row.try_get("o_job_report_age_ms")?;
    let jobs = names.into_iter().zip(node_names).zip(reports).zip(ages);
    jobs.map(|(((name, node_name), report), report_age_ms)| {
        let report = report.as_deref().map(serde_json::from_str).transpose();
        Ok(JobStatus {
            report: report
                .map_err(|error| unreadable(&name, &error))?
                .unwrap_or_default(),
            name,
            node_name,
            report_age_ms,
        })
    })
    .collect()
}

fn unreadable(job: &str, error: &serde_json::Error) -> MetastoreError {
    MetastoreError::Corrupt(format!("the report of {job}: {error}"))
}
