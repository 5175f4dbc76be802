//! Who does which job, and what all of them have before them.

use esker_model::IncarnationId;
use rusqlite::params;

use super::agents;
use super::database::Transaction;
use super::values::incarnation;
use crate::{JobReport, JobStatus, MetastoreError, Result, UpkeepStatus};

pub(super) fn claim(
    tx: &Transaction<'_>,
    job: &str,
    id: IncarnationId,
    lease_ms: i64,
    every_ms: i64,
) -> Result<bool> {
    agents::take_fence(tx, id)?;
    let taken = tx
        .prepare_cached(
            "INSERT INTO job (name, incarnation, until_ms) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE
             SET incarnation = excluded.incarnation, until_ms = excluded.until_ms
             WHERE (job.incarnation = excluded.incarnation OR job.until_ms < ?4
                    OR NOT EXISTS (SELECT 1 FROM agent a WHERE a.incarnation = job.incarnation AND a.state = 1))
                AND (job.done_ms IS NULL OR job.done_ms > ?4 OR job.done_ms <= ?5)",
        )?
        .execute(params![
            job,
            incarnation(&id),
            tx.now_ms.saturating_add(lease_ms),
            tx.now_ms,
            tx.now_ms.saturating_sub(every_ms)
        ])?;
    Ok(taken == 1)
}

pub(super) fn report(
    tx: &Transaction<'_>,
    job: &str,
    id: IncarnationId,
    report: &JobReport,
    done: bool,
) -> Result<()> {
    let json = serde_json::to_string(report)
        .map_err(|error| MetastoreError::Corrupt(format!("the report of {job}: {error}")))?;
    tx.prepare_cached(
        "UPDATE job SET report = ?3, report_ms = ?4, done_ms = iif(?5, ?4, done_ms)
         WHERE name = ?1 AND incarnation = ?2",
    )?
    .execute(params![job, incarnation(&id), json, tx.now_ms, done])?;
    Ok(())
}

pub(super) fn status(tx: &Transaction<'_>) -> Result<UpkeepStatus> {
    let number = |sql: &str| -> Result<u64> {
        let number: i64 = tx.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(u64::try_from(number).unwrap_or(0))
    };
    let oldest: Option<i64> = tx
        .prepare_cached("SELECT min(ifnull(committed_ms, 0)) FROM segment WHERE state = 1")?
        .query_row([], |row| row.get(0))?;
    Ok(UpkeepStatus {
        waiting_segments: number("SELECT count(*) FROM segment WHERE state = 1")?,
        waiting_bytes: number("SELECT ifnull(sum(object_bytes), 0) FROM segment WHERE state = 1")?,
        waiting_age_ms: oldest.map_or(0, |oldest| tx.now_ms.saturating_sub(oldest)),
        archived_extents: number("SELECT count(*) FROM archive_extent")?,
        archive_segments: number("SELECT count(*) FROM archive_segment WHERE state = 1")?,
        manifests: number("SELECT count(*) FROM manifest")?,
        manifest_bytes: number("SELECT ifnull(sum(bytes), 0) FROM manifest")?,
        unneeded_objects: number(
            "SELECT (SELECT count(*) FROM segment WHERE state = 2) + (SELECT count(*) FROM segment WHERE state = 3)
                  + (SELECT count(*) FROM archive_segment WHERE state = 3)
                  + (SELECT count(*) FROM unneeded_object)",
        )?,
        topics_to_empty: number("SELECT count(*) FROM topic_deleted WHERE to_empty_ms IS NOT NULL")?,
        to_sweep: number("SELECT count(*) FROM agent WHERE state <> 1 AND state IN (2, 3)")?,
        jobs: all(tx)?,
    })
}

fn all(tx: &Transaction<'_>) -> Result<Vec<JobStatus>> {
    let mut statement = tx.prepare_cached(
        "SELECT j.name, n.name, j.report, j.report_ms
         FROM job j
         LEFT JOIN agent a ON a.incarnation = j.incarnation AND a.state = 1 AND j.until_ms >= ?1
         LEFT JOIN node n ON n.id = a.node_id
         ORDER BY j.name",
    )?;
    let mut rows = statement.query([tx.now_ms])?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let report: Option<String> = row.get(2)?;
        let report = report.as_deref().map(serde_json::from_str).transpose();
        jobs.push(JobStatus {
            report: report
                .map_err(|error| MetastoreError::Corrupt(format!("the report of {name}: {error}")))?
                .unwrap_or_default(),
            name,
            node_name: row.get(1)?,
            report_age_ms: row
                .get::<_, Option<i64>>(3)?
                .map(|at| tx.now_ms.saturating_sub(at)),
        });
    }
    Ok(jobs)
}
