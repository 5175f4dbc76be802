//! What archiving counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The counters of the archive job. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct ArchiveMetrics {
    /// Ingest segments whose records are all archived.
    pub segments: Counter,
    /// Bytes of record batches archived.
    pub bytes: Counter,
    /// Archive segments written, also those that were not needed after all.
    pub objects: Counter,
    /// Extents whose records could not be read, and were passed over.
    pub holes: Counter,
    /// Objects of segments deleted because nobody needed them any more.
    pub removed: Counter,
    /// Rounds that failed.
    pub failures: Counter,
    /// Time of rounds that had something to do.
    pub seconds: Histogram,
    /// Age of the oldest segment that waits; 0 on an agent that does not do the job.
    pub backlog_seconds: Gauge,
}

impl Default for ArchiveMetrics {
    fn default() -> Self {
        Self {
            segments: Counter::default(),
            bytes: Counter::default(),
            objects: Counter::default(),
            holes: Counter::default(),
            removed: Counter::default(),
            failures: Counter::default(),
            seconds: super::seconds(),
            backlog_seconds: Gauge::default(),
        }
    }
}

impl ArchiveMetrics {
    /// Makes the counters visible under their public names.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "esker_archive_segments",
            "Ingest segments archived",
            self.segments.clone(),
        );
        registry.register(
            "esker_archive_bytes",
            "Bytes of record batches archived",
            self.bytes.clone(),
        );
        registry.register(
            "esker_archive_objects",
            "Archive segments written",
            self.objects.clone(),
        );
        registry.register(
            "esker_archive_holes",
            "Extents that could not be read when they were to be archived",
            self.holes.clone(),
        );
        registry.register(
            "esker_archive_removed",
            "Segments deleted because nobody needed them any more",
            self.removed.clone(),
        );
        registry.register(
            "esker_archive_failures",
            "Rounds of archiving that failed",
            self.failures.clone(),
        );
        registry.register(
            "esker_archive_seconds",
            "Time of rounds of archiving",
            self.seconds.clone(),
        );
        registry.register(
            "esker_archive_backlog_seconds",
            "Age of the oldest ingest segment that waits to be archived",
            self.backlog_seconds.clone(),
        );
    }
}
