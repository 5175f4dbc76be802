//! What background work has before it and who does it, as JSON: printed by `esker cluster upkeep --json`, served at
//! `/upkeep`.

use esker_metastore::UpkeepStatus;
use serde_json::{Value, json};

/// The document. Times are in milliseconds, sizes in bytes.
pub(crate) fn document(status: &UpkeepStatus) -> Value {
    let jobs: Vec<_> = status
        .jobs
        .iter()
        .map(|job| {
            json!({
                "name": job.name,
                "node": job.node_name,
                "report_age_ms": job.report_age_ms,
                "report": job.report,
            })
        })
        .collect();
    json!({
        "waiting": {
            "segments": status.waiting_segments,
            "bytes": status.waiting_bytes,
            "age_ms": status.waiting_age_ms,
        },
        "archived": {
            "extents": status.archived_extents,
            "segments": status.archive_segments,
        },
        "manifests": {
            "count": status.manifests,
            "bytes": status.manifest_bytes,
        },
        "objects_to_remove": status.unneeded_objects,
        "topics_to_empty": status.topics_to_empty,
        "incarnations_to_sweep": status.to_sweep,
        "jobs": jobs,
    })
}
