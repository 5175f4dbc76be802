//! The metastore: the seam to Postgres (production) or SQLite (one process).
//!
//! It holds what must be agreed on: which agents live, which topics exist, where each partition's log
//! ends and which bytes of which segment hold its records. Small traits by consumer, batch-shaped:
//! reply `i` answers request `i`. **One method is one transaction** and one round trip.
//!
//! What always holds, whatever fails:
//! - offsets of a partition are dense; an offset is given once;
//! - a fenced incarnation changes nothing any more;
//! - a segment is either committed once, with one reply that can be read back, or tombstoned;
//! - ordering and expiry follow the database's clock or an epoch, never an agent's clock.
//!
//! A method that fails with [`MetastoreError::Unavailable`] had no effect. One that fails with
//! [`MetastoreError::UnknownOutcome`] may have taken effect: a commit is then settled
//! ([`Commits::settle`]), everything else is idempotent and may be repeated.

#[cfg(feature = "auditing")]
pub mod auditing;
#[cfg(feature = "benching")]
pub mod benching;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod group_rounds;
mod metrics;
pub mod postgres;
pub mod sqlite;
mod types;

use async_trait::async_trait;
use esker_model::{
    ClusterEpoch, ClusterId, IncarnationId, LogId, ObjectId, PartitionKey, SegmentId, ShardId, TopicUuid,
};

pub use error::{MetastoreError, Result};
pub use metrics::MetastoreMetrics;
pub use types::agents::*;
pub(crate) use types::archive::ends_meet;
pub use types::archive::*;
pub use types::cluster::*;
pub use types::commit::*;
pub use types::configs::*;
pub use types::groups::*;
pub use types::jobs::*;
pub use types::manifest::*;
pub use types::read::*;
pub use types::retention::*;
pub use types::sweep::*;
pub use types::topics::*;

/// Everything an agent needs of a metastore.
pub trait Metastore:
    Commits + Reads + Topics + Producers + Agents + Clusters + Coordinators + Groups + Upkeep
{
}

impl<T> Metastore for T where
    T: Commits + Reads + Topics + Producers + Agents + Clusters + Coordinators + Groups + Upkeep
{
}

/// What background work needs of a metastore.
pub trait Upkeep: Jobs + Archives + Merges + Retention + Removals + Sweeps {}

impl<T: Jobs + Archives + Merges + Retention + Removals + Sweeps> Upkeep for T {}

/// The write path.
#[async_trait]
pub trait Commits: Send + Sync {
    /// Commits segments in the order given: the group commit.
    ///
    /// Checks the cluster epoch and the past, takes the incarnation's fence row, locks the log heads in
    /// key order, judges the runs batch by batch in order ([`esker_model::sequence::judge`]), assigns
    /// offsets, and inserts extents and one segment row each with its reply. A partition that does not
    /// exist refuses its runs and nothing else.
    ///
    /// Errors: `Fenced`, `WrongEpoch`, `DifferentPast`, and `AlreadySettled` if a segment has a row
    /// (a tombstone, or a commit of the same segment): then nothing was changed.
    async fn commit(&self, request: CommitRequest) -> Result<CommitReply>;

    /// Settles segments whose commit has an unknown outcome, or whose upload gave up: one transaction
    /// inserts a tombstone for each. Where it wins, the segment can never be committed; where it
    /// conflicts, the stored reply is read back (or the tombstone was there already).
    ///
    /// Errors: `Fenced`: then nothing was changed, and the outcome stays unknown to this agent.
    async fn settle(&self, incarnation: IncarnationId, seqs: &[u64]) -> Result<Vec<Settled>>;
}

/// The read path.
#[async_trait]
pub trait Reads: Send + Sync {
    /// The log heads of partitions; `None` for one that does not exist.
    async fn heads(&self, partitions: &[PartitionKey]) -> Result<Vec<Option<Head>>>;

    /// For each request the log head and the extents from an offset on, seen in one snapshot.
    async fn plan(&self, requests: &[PlanRequest]) -> Result<Vec<Plan>>;

    /// For each request the head and the first extent that may hold the answer of a query by time.
    async fn find_by_time(&self, requests: &[TimeRequest]) -> Result<Vec<TimeReply>>;

    /// How many bytes of batches partitions have stored: what a manifest lists, and the extents that it does not; what
    /// lies below the log start counts until it is dropped. `None` for a partition that does not exist, one with more than
    /// `extents_max` extents outside its manifest, and one whose extents are just being rearranged.
    async fn stored_bytes(&self, partitions: &[PartitionKey], extents_max: usize)
    -> Result<Vec<Option<u64>>>;
}

/// Topics, their configs and those of groups: the catalog.
#[async_trait]
pub trait Topics: Send + Sync {
    /// What changed in the catalog after version `since` (0: everything).
    async fn catalog(&self, since: i64) -> Result<Catalog>;

    /// Creates topics, each on its own: one that fails does not stop the others.
    ///
    /// Under a name that was deleted before, producers go on with their sequences: the partitions that the
    /// name had then, also those that are added later, have forgotten all producers whose ids were given
    /// out before this creation. A new name has forgotten nobody.
    async fn create_topics(
        &self,
        topics: &[NewTopic],
    ) -> Result<Vec<std::result::Result<Topic, CreateTopicRefusal>>>;

    /// Deletes topics with their log heads; `false` for one that does not exist. Their ids and keys are
    /// never used again.
    async fn delete_topics(&self, topics: &[TopicUuid]) -> Result<Vec<bool>>;

    /// Raises the number of partitions of topics.
    async fn create_partitions(
        &self,
        requests: &[NewPartitions],
    ) -> Result<Vec<std::result::Result<Topic, CreatePartitionsRefusal>>>;

    /// Sets and removes configs of topics and groups, each on its own, in this order.
    async fn alter_configs(
        &self,
        changes: &[ConfigChange],
    ) -> Result<Vec<std::result::Result<Altered, AlterRefusal>>>;
}

/// Producer ids.
#[async_trait]
pub trait Producers: Send + Sync {
    /// Takes `count` producer ids that nobody else will ever get; returns the first.
    async fn allocate_producer_ids(&self, count: u32) -> Result<i64>;

    /// Forgets what partitions know of producers that appended nothing for `idle_ms`, at most `limit`
    /// pairs; returns how many were forgotten. The heads remember up to which producer id they forgot.
    async fn forget_idle_producers(&self, idle_ms: i64, limit: u32) -> Result<u64>;

    /// The producers that each partition has appended runs of and not forgotten, ascending by id; of more than `limit`
    /// those that appended last. None of a partition that does not exist.
    async fn active_producers(
        &self,
        partitions: &[PartitionKey],
        limit: u32,
    ) -> Result<Vec<Vec<ActiveProducer>>>;
}

/// Who is alive.
#[async_trait]
pub trait Agents: Send + Sync {
    /// Registers a new incarnation under a node name and fences the name's earlier ones.
    async fn register(&self, registration: &Registration) -> Result<Registered>;

    /// Renews a registration and says who else is alive, and what time it is. `Fenced` if this incarnation is not any more.
    async fn heartbeat(&self, incarnation: IncarnationId, liveness_ms: i64) -> Result<Heartbeat>;

    /// Fences those of the incarnations whose last heartbeat is older than `liveness_ms`, checked
    /// under the lock of their fence row; returns the ones that are fenced now.
    async fn fence_expired(
        &self,
        incarnations: &[IncarnationId],
        liveness_ms: i64,
    ) -> Result<Vec<IncarnationId>>;

    /// Takes its roles from an incarnation that is about to leave: whoever hears of it from now on names it to no client.
    /// It lives on and may do all that it did; nothing happens to one that does not live. Repeating it is harmless.
    async fn announce_leave(&self, incarnation: IncarnationId) -> Result<()>;

    /// Ends a registration in good order: the incarnation can never commit again.
    async fn leave(&self, incarnation: IncarnationId) -> Result<()>;
}

/// Background work: who does it.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Takes the lease of a job, or renews it; `false` if another incarnation holds it, or if the job was done less than
    /// `every_ms` ago, by whomever and by the database's clock. A lease only keeps agents
    /// from doing the same work: nothing rests on it.
    ///
    /// Errors: `Fenced`; `DifferentPast`, because what a job writes then would be refused.
    async fn claim_job(
        &self,
        job: &str,
        incarnation: IncarnationId,
        lease_ms: i64,
        every_ms: i64,
    ) -> Result<bool>;

    /// Writes down what a job did, for people, and with `done` that all it had to do is done now; nothing happens if
    /// another incarnation holds its lease.
    async fn report_job(
        &self,
        job: &str,
        incarnation: IncarnationId,
        report: &JobReport,
        done: bool,
    ) -> Result<()>;

    /// What all jobs have before them, and who does them.
    async fn upkeep_status(&self) -> Result<UpkeepStatus>;
}

/// Archiving: ingest segments become archive segments.
#[async_trait]
pub trait Archives: Send + Sync {
    /// Ingest segments that were committed and not released, those committed first coming first, after the first
    /// `skip`: one if there is any, then until they have `bytes_max` together or are `segments_max`. Which was
    /// committed first the database's clock says: those of one partition may be told in another order than that of
    /// their offsets, if it was set back.
    async fn waiting_segments(
        &self,
        skip: usize,
        bytes_max: u64,
        segments_max: usize,
    ) -> Result<Vec<WaitingSegment>>;

    /// The extents of these ingest segments that are not archived, ascending by partition and offset.
    async fn unarchived(&self, segments: &[SegmentId]) -> Result<Vec<(PartitionKey, Extent)>>;

    /// Moves partitions' `archived_to` over extents, all in one transaction, and registers the archive segments
    /// that they lie in. `false` for a partition whose `archived_to` is not where its first extent begins, or that
    /// does not exist: nothing was changed there. An archive segment with no extent of a `true` one is not
    /// registered: it may go.
    ///
    /// Errors: `Fenced`, `WrongEpoch`, `DifferentPast`, and `AlreadySettled` if an archive segment is registered
    /// already (each is named by one call only): then nothing was changed.
    async fn archive(&self, request: &ArchiveRequest) -> Result<Vec<bool>>;

    /// Has those of the segments go that nothing needs: ingest segments whose extents are all archived, archive
    /// segments without extents. `true` for one that goes now, went before or was never registered. An ingest
    /// segment that holes name is kept [`HOLE_KEPT_MS`] longer, so that it can be repaired.
    async fn release(&self, segments: &[SegmentId]) -> Result<Vec<bool>>;

    /// Which of these archive segments have a row, because [`Archives::archive`] or [`Archives::move_archived`]
    /// registered them; those released since are among them until their objects are gone. Whoever lost the answer of
    /// such a call, and knows that it cannot take effect any more, learns here whether it did.
    async fn registered(&self, segments: &[SegmentId]) -> Result<Vec<bool>>;

    /// Forgets the extents of records that are archived, as far as that costs little: a bucket as a whole. Returns
    /// how many buckets were emptied.
    async fn empty_buckets(&self) -> Result<u64>;

    /// Archive segments of at least `bytes_min` of which less than a quarter is needed, at most `limit`.
    async fn mostly_dead(&self, bytes_min: u64, limit: usize) -> Result<Vec<SegmentId>>;

    /// The extents in these archive segments, ascending by partition and offset. Those that lie below the log start are
    /// not among them: they go where they are.
    async fn archived_in(&self, segments: &[SegmentId]) -> Result<Vec<(PartitionKey, Extent)>>;

    /// Puts archived extents into the place of others that cover exactly the same offsets, registers the archive
    /// segments that they lie in, and releases those that nothing needs now; all in one transaction. A partition may
    /// come several times, with other offsets. `false` where the offsets are not covered by extents any more, or one
    /// of these lies below the log start: nothing was changed there. The records count as archived when the youngest
    /// of those replaced was.
    ///
    /// Errors: as of [`Archives::archive`].
    async fn move_archived(&self, request: &ArchiveRequest) -> Result<Vec<bool>>;
}

/// Merging: archived extents of a partition move from the metastore into a manifest in the bucket.
#[async_trait]
pub trait Merges: Send + Sync {
    /// Partitions whose archived extents are due, or whose manifest lists what lies below the log start: ascending
    /// by log, from behind `after` on, at most `limit`.
    async fn merge_candidates(
        &self,
        due: &MergeDue,
        after: Option<LogId>,
        limit: usize,
    ) -> Result<Vec<MergeCandidate>>;

    /// What the manifests of partitions are to be made of, with at most `extents_max` extents for each; `None` for
    /// one that does not exist.
    async fn to_merge(&self, partitions: &[PartitionKey], extents_max: usize)
    -> Result<Vec<Option<ToMerge>>>;

    /// What is known of the contents of partitions' manifests, for those who compare; `None` where there is no manifest.
    async fn known_manifests(&self, partitions: &[PartitionKey]) -> Result<Vec<Option<KnownManifest>>>;

    /// Replaces manifests, all in one transaction: archived extents below the new manifest's end are forgotten, and
    /// archive segments released that nothing needs then; what the old manifest needed and the new one does not is
    /// released, the old manifest, too. `false` for a partition whose manifest is not the one that was to be
    /// replaced, whose extents are not those that were counted, or that does not exist: nothing was changed there.
    ///
    /// Errors: `Fenced`, `WrongEpoch`, `DifferentPast`: then nothing was changed.
    async fn merge(&self, request: &MergeRequest) -> Result<Vec<bool>>;
}

/// What partitions keep.
#[async_trait]
pub trait Retention: Send + Sync {
    /// Moves log starts over archived records that need not be kept, a chunk at a time and from the beginning of the
    /// log on. A chunk is as old as its youngest record, by the database's clock; records without a timestamp, as
    /// their archiving. What a manifest lists is judged by who can read it: the reply names the partitions.
    async fn retain(&self, requests: &[RetainRequest]) -> Result<RetainReply>;

    /// Moves log starts forward, never beyond the end of the log and never back; returns the heads afterwards,
    /// `None` for a partition that does not exist. A partition comes once.
    async fn advance_log_start(&self, starts: &[(PartitionKey, i64)]) -> Result<Vec<Option<Head>>>;

    /// Forgets archived records below their partitions' log starts, at most `limit` chunks, and has archive segments
    /// go that hold nothing else. Returns how many chunks were forgotten. What manifests list is left to merging.
    async fn drop_archived(&self, limit: usize) -> Result<u64>;
}

/// Objects that go.
#[async_trait]
pub trait Removals: Send + Sync {
    /// Objects that were released, or tombstoned, at least `grace_ms` ago: at most `limit`, the oldest first, after
    /// the first `skip`. They may go. Tombstones of an incarnation that lives only if it has settled them: their objects
    /// may still come.
    async fn unneeded(&self, grace_ms: i64, skip: usize, limit: usize) -> Result<Vec<ObjectId>>;

    /// Forgets objects that are unneeded and gone. Of an ingest segment that a living incarnation has not settled it is
    /// remembered what became of it until it has.
    async fn forget_objects(&self, objects: &[ObjectId]) -> Result<()>;

    /// Topics that were deleted at least `grace_ms` ago, whose merged segments and manifests may be there: at most
    /// `limit`, the oldest first.
    async fn topics_to_empty(&self, grace_ms: i64, limit: usize) -> Result<Vec<TopicUuid>>;

    /// Says that nothing is left of deleted topics.
    async fn topics_emptied(&self, topics: &[TopicUuid]) -> Result<()>;
}

/// Sweeping: which of the objects that a listing showed nothing refers to.
///
/// A question is asked after the listing, and answered from one snapshot: who does not live in it has made nothing
/// refer to its objects that the snapshot does not show, and never will.
///
/// Errors of [`Sweeps::orphans`] and [`Sweeps::references`]: `WrongEpoch` and `DifferentPast`, because a metastore that
/// lost commits does not know what is needed.
#[async_trait]
pub trait Sweeps: Send + Sync {
    /// Those of ingest and archive segments that nothing knows, and that nothing can come to know: their incarnation
    /// does not live, or it has settled them.
    async fn orphans(&self, epoch: ClusterEpoch, segments: &[SegmentId]) -> Result<Vec<SegmentId>>;

    /// Which of the incarnations live, and what refers to the objects of partitions.
    async fn references(
        &self,
        epoch: ClusterEpoch,
        incarnations: &[IncarnationId],
        logs: &[LogId],
    ) -> Result<References>;

    /// Incarnations that ended and were not swept yet, at most `limit`.
    async fn to_sweep(&self, limit: usize) -> Result<Vec<IncarnationId>>;

    /// Says that the bucket was swept after these incarnations had ended, and forgets all that were swept and of
    /// which no segment is left. Returns how many were forgotten.
    async fn swept(&self, incarnations: &[IncarnationId]) -> Result<u64>;
}

/// Who coordinates which groups.
///
/// A shard belongs to the incarnation that took it last, as long as that one lives. Nothing is renewed: an incarnation
/// that was fenced, or left, holds no shard any more, and what it writes is refused.
#[async_trait]
pub trait Coordinators: Send + Sync {
    /// Takes those of the wanted shards that nobody holds: nobody ever took them, they were given back, or their
    /// holder does not live. Returns who holds each shard that was ever taken, ascending; among them those that this
    /// incarnation took before, perhaps by a call whose answer was lost.
    ///
    /// Errors: `Fenced`, `DifferentPast`.
    async fn claim_shards(&self, incarnation: IncarnationId, wanted: &[ShardId]) -> Result<Vec<ShardOwner>>;

    /// Gives shards back. Nothing happens to one that is not held by this incarnation with this lease.
    async fn release_shards(&self, incarnation: IncarnationId, leases: &[ShardLease]) -> Result<()>;
}

/// What coordinators of groups keep.
#[async_trait]
pub trait Groups: Send + Sync {
    /// Groups of a shard with their members, ascending by the bytes of their ids, from behind `after` on, at most
    /// `limit`. `None` if the shard is not held by this incarnation with this lease.
    async fn load_groups(
        &self,
        incarnation: IncarnationId,
        lease: ShardLease,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Vec<StoredGroup>>>;

    /// Makes changes of many groups, all in one transaction. Reply `i` says whether change `i` was made: `false` if its
    /// shard is not held by this incarnation with this lease, or if under this lease a call was made whose number is this
    /// call's or a higher one. So once a call is answered, none with a lower number can undo it, whenever it lands; who
    /// repeats a call gives it a new number. Offsets are kept with the time of the metastore's clock. Of two calls at the
    /// same time, the one or the other comes first.
    ///
    /// Errors: `Fenced`, `DifferentPast`, and `Corrupt` if a lease is not of the shard of its group, or the number is beyond
    /// `i64::MAX`: then nothing was changed.
    async fn write_groups(&self, writes: &GroupWrites) -> Result<Vec<bool>>;

    /// Offsets that groups committed. A group that is not there has none.
    async fn committed_offsets(&self, requests: &[OffsetsRequest]) -> Result<Vec<CommittedOffsets>>;

    /// Forgets committed offsets of a shard's groups, at most `limit`: those of topics that do not exist any more, and
    /// those that were committed at least `retention_ms` ago in groups that have been without members as long. Which go
    /// first is open. Tells the groups without members, at most `limit`, for which no offset is kept then; `None` if the
    /// shard is not held by this incarnation with this lease.
    async fn expire_offsets(
        &self,
        incarnation: IncarnationId,
        lease: ShardLease,
        retention_ms: i64,
        limit: usize,
    ) -> Result<Option<Expired>>;

    /// Offsets of a shard's groups with members that were committed at least `age_ms` ago, ascending by the bytes of the
    /// group's id and by partition, from behind `after` on, at most `limit`. Their topics may be gone.
    async fn old_offsets(
        &self,
        shard: ShardId,
        age_ms: i64,
        after: Option<&OffsetOf>,
        limit: usize,
    ) -> Result<Vec<OffsetOf>>;

    /// Forgets those of the named offsets that are as old as the call says: one that was committed since stays. `false`:
    /// nothing was forgotten, for the reasons that [`Groups::write_groups`] has.
    ///
    /// Errors: as there.
    async fn forget_offsets(&self, forget: &ForgetOffsets) -> Result<bool>;
}

/// The cluster's identity.
#[async_trait]
pub trait Clusters: Send + Sync {
    /// The cluster as the metastore knows it; `None` before the first start.
    async fn cluster(&self) -> Result<Option<Cluster>>;

    /// Records the cluster's id and epoch unless there are some; returns what stands there now.
    async fn init_cluster(&self, id: &ClusterId) -> Result<Cluster>;

    /// Records that `cluster.json` was seen in the bucket: from now on its absence is an error.
    async fn bucket_bound(&self) -> Result<()>;
}
