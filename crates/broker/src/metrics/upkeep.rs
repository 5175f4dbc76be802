//! What background work counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
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
    /// Archive segments, merged segments and manifests written, also those that were not needed after all.
    pub objects: Counter,
    /// Extents whose records could not be read when they were archived or merged, and were passed over.
    pub holes: Counter,
    /// Objects deleted because nobody needed them any more.
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
    fn register(&self, registry: &mut Registry) {
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
            "Archive segments, merged segments and manifests written",
            self.objects.clone(),
        );
        registry.register(
            "esker_archive_holes",
            "Extents that could not be read when they were to be archived",
            self.holes.clone(),
        );
        registry.register(
            "esker_archive_removed",
            "Objects deleted because nobody needed them any more",
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

/// The counters of merging. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct MergeMetrics {
    /// Partitions whose manifest was replaced.
    pub partitions: Counter,
    /// Bytes of record batches that moved into manifests.
    pub bytes: Counter,
    /// Bytes of record batches that moved out of archive segments that were mostly dead.
    pub moved_bytes: Counter,
    /// Rounds and partitions that failed.
    pub failures: Counter,
    /// Time of rounds.
    pub seconds: Histogram,
}

impl Default for MergeMetrics {
    fn default() -> Self {
        Self {
            partitions: Counter::default(),
            bytes: Counter::default(),
            moved_bytes: Counter::default(),
            failures: Counter::default(),
            seconds: super::seconds(),
        }
    }
}

/// The counters of removing. Cheap to clone; clones count together.
#[derive(Clone, Default)]
pub struct RemoveMetrics {
    /// Pages of objects that could not all be deleted, and rounds that failed.
    pub failures: Counter,
}

/// The counters of sweeping. Cheap to clone; clones count together.
#[derive(Clone, Default)]
pub struct SweepMetrics {
    /// Objects that listings showed.
    pub listed: Counter,
    /// Objects that nothing referred to, deleted.
    pub orphans: Counter,
    /// What could not be swept.
    pub failures: Counter,
}

/// Label of jobs. Not `job`: Prometheus has that for itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct JobLabels {
    /// Its name.
    pub work: &'static str,
}

/// The counters of all upkeep. Cheap to clone; clones count together.
#[derive(Clone, Default)]
pub struct UpkeepMetrics {
    /// 1 for each job that this agent does, 0 for those that others do.
    pub held: Family<JobLabels, Gauge>,
    /// Archiving.
    pub archive: ArchiveMetrics,
    /// Merging.
    pub merge: MergeMetrics,
    /// Removing.
    pub remove: RemoveMetrics,
    /// Sweeping.
    pub sweep: SweepMetrics,
}

impl UpkeepMetrics {
    /// Makes the counters visible under their public names.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "esker_upkeep_held",
            "1 if this agent does the job, 0 if another does or nobody",
            self.held.clone(),
        );
        self.archive.register(registry);
        let (merge, remove, sweep) = (&self.merge, &self.remove, &self.sweep);
        let counters = [
            ("esker_merge_partitions", "Manifests replaced", &merge.partitions),
            (
                "esker_merge_bytes",
                "Bytes of record batches merged",
                &merge.bytes,
            ),
            (
                "esker_merge_moved_bytes",
                "Bytes of record batches moved out of archive segments that were mostly dead",
                &merge.moved_bytes,
            ),
            (
                "esker_merge_failures",
                "Rounds and partitions that could not be merged",
                &merge.failures,
            ),
            (
                "esker_remove_failures",
                "Pages of objects that could not all be deleted",
                &remove.failures,
            ),
            (
                "esker_sweep_listed",
                "Objects that listings showed",
                &sweep.listed,
            ),
            (
                "esker_sweep_orphans",
                "Objects deleted that nothing referred to",
                &sweep.orphans,
            ),
            ("esker_sweep_failures", "What could not be swept", &sweep.failures),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register(
            "esker_merge_seconds",
            "Time of rounds of merging",
            merge.seconds.clone(),
        );
    }
}
