//! What is known of background work.

use std::collections::BTreeMap;

/// Numbers that a job tells about itself, by name. Those that count go up as long as one incarnation does the job.
pub type JobReport = BTreeMap<String, i64>;

/// What all background work has before it, and who does it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpkeepStatus {
    /// Ingest segments that wait to be archived.
    pub waiting_segments: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Milliseconds since the oldest of them was committed.
    pub waiting_age_ms: i64,
    /// Archived extents that wait to be merged: rows of the metastore.
    pub archived_extents: u64,
    /// Archive segments of many partitions.
    pub archive_segments: u64,
    /// Partitions with a manifest.
    pub manifests: u64,
    /// Bytes of batches that manifests list.
    pub manifest_bytes: u64,
    /// Objects that nothing needs any more, whose grace has not passed or that could not be removed yet.
    pub unneeded_objects: u64,
    /// Deleted topics whose objects were not all removed yet.
    pub topics_to_empty: u64,
    /// Incarnations that ended and were not swept yet.
    pub to_sweep: u64,
    /// The jobs that somebody took once, by name.
    pub jobs: Vec<JobStatus>,
}

/// Who does a job, and what it told last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobStatus {
    /// The job.
    pub name: String,
    /// The node whose agent has the lease; `None` if nobody has it at present.
    pub node_name: Option<String>,
    /// What was told last, perhaps by another agent.
    pub report: JobReport,
    /// Milliseconds since then; `None`: nothing was told yet.
    pub report_age_ms: Option<i64>,
}
