//! Unit costs that were measured, with the figure in docs/performance.md that each comes from, and sizes that the code
//! fixes. docs/cost.md has the formulas that they stand in.

/// One.
pub(super) const MIB: f64 = (1_u64 << 20) as f64;

/// What part of a machine's limits a plan may use: the rest is for peaks, and for a zone that is lost.
pub(super) const USABLE: f64 = 0.5;

/// CPU of a system, in seconds.
pub(super) struct Cpu {
    /// To take a GiB from producers, apart from its batches. From `produce-1mb` and `produce-16k`: a line through both.
    pub(super) produce_gib: f64,
    /// For each batch.
    pub(super) batch: f64,
    /// To give a GiB to consumers (`consume-tail`).
    pub(super) consume_gib: f64,
}

/// An agent: 0.615 s and 1.63 s for a GiB in 1,142 and 69,024 batches; 0.237 s.
pub(super) const AGENT: Cpu = Cpu {
    produce_gib: 0.598,
    batch: 15.0e-6,
    consume_gib: 0.237,
};
/// Apache Kafka: 2.68 s and 7.52 s for a GiB in 1,075 and 69,024 batches; 0.277 s.
pub(super) const KAFKA: Cpu = Cpu {
    produce_gib: 2.60,
    batch: 71.0e-6,
    consume_gib: 0.277,
};
/// Part of `produce_gib` that a follower needs to append a GiB that it copied. An assumption: it was not measured.
pub(super) const FOLLOWER: f64 = 0.5;
/// An agent archives a GiB that it has to fetch, and merges one (`archive-full`).
pub(super) const ARCHIVE_GIB: f64 = 1.01;
pub(super) const MERGE_GIB: f64 = 0.945;

/// Postgres: a commit, an extent, asking for heads, and each partition asked for ("Scale on paper").
pub(super) const COMMIT: f64 = 1.3e-3;
pub(super) const EXTENT: f64 = 17.0e-6;
pub(super) const HEADS: f64 = 0.2e-3;
pub(super) const HEAD: f64 = 1.0e-6;
/// Heads are asked for so often by an agent with waiting consumers, a second.
pub(super) const HEADS_EACH_SECOND: f64 = 10.0;
/// Disk of the metastore. It needs less than one; sellers offer no less than this.
pub(super) const METASTORE_GIB: f64 = 20.0;

/// `cluster.json` is read so often by an agent, a second.
pub(super) const CLUSTER_READS: f64 = 1.0 / 3.0;
/// Defaults of `archive_interval_ms`, `archive_grace_ms`, `merge_interval_ms` and `sweep_interval_ms`, in seconds.
pub(super) const ARCHIVE_INTERVAL: f64 = 300.0;
pub(super) const GRACE: f64 = 600.0;
pub(super) const MERGE_INTERVAL: f64 = 86_400.0;
pub(super) const SWEEP_INTERVAL: f64 = 3_600.0;
/// A round of archiving: an eighth of the default `memory_bytes`.
pub(super) const ROUND_BYTES: f64 = 128.0 * MIB;
/// The largest archive segment, in bytes and partitions, and the largest merged one.
pub(super) const ARCHIVE_BYTES: f64 = 64.0 * MIB;
pub(super) const ARCHIVE_PARTITIONS: f64 = 256.0;
pub(super) const MERGED_BYTES: f64 = 64.0 * MIB;
/// A partition is merged when it is in so many pieces.
pub(super) const PIECES: f64 = 128.0;
/// A merged segment covers this part of the retention at most.
pub(super) const RETENTION_PART: f64 = 1.0 / 8.0;
/// The most that merging reads at once, and that reading history does.
pub(super) const MERGE_READ: f64 = 16.0 * MIB;
pub(super) const HISTORY_READ: f64 = 4.0 * MIB;
/// Keys that one listing names.
pub(super) const LISTED: f64 = 1_000.0;

/// Part of Kafka's disks that is used; the rest is for growth, uneven partitions and moving them.
pub(super) const DISK_USED: f64 = 0.7;
/// What a gp3 volume writes for nothing.
pub(super) const EBS_FREE_MIB_PER_S: f64 = 125.0;
