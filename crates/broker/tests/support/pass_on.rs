//! What every double of a metastore passes on.

/// Passes on what a trait asks: each call goes through the double's method `around`, which may let it fail.
#[macro_export]
macro_rules! pass_on {
    ($double:ty, $(
        $trait:ident { $($method:ident($($arg:ident: $type:ty),*) -> $reply:ty;)+ }
    )+) => {
        $(
            #[async_trait::async_trait]
            impl esker_metastore::$trait for $double {
                $(async fn $method(&self, $($arg: $type),*) -> esker_metastore::Result<$reply> {
                    self.around(stringify!($method), self.inner.$method($($arg),*)).await
                })+
            }
        )+
    };
}

/// Passes on what upkeep asks: `pass_on_upkeep!(Double)`, whose field `inner` is the metastore behind it.
#[macro_export]
macro_rules! pass_on_upkeep {
    ($double:ty) => {
        $crate::pass_on! {
            $double,
            Jobs {
                claim_job(
                    job: &str,
                    incarnation: esker_model::IncarnationId,
                    lease_ms: i64,
                    every_ms: i64
                ) -> bool;
                report_job(
                    job: &str,
                    incarnation: esker_model::IncarnationId,
                    report: &esker_metastore::JobReport,
                    done: bool
                ) -> ();
                upkeep_status() -> esker_metastore::UpkeepStatus;
            }
            Archives {
                waiting_segments(
                    skip: usize,
                    bytes_max: u64,
                    segments_max: usize
                ) -> Vec<esker_metastore::WaitingSegment>;
                unarchived(
                    segments: &[esker_model::SegmentId]
                ) -> Vec<(esker_model::PartitionKey, esker_metastore::Extent)>;
                archive(request: &esker_metastore::ArchiveRequest) -> Vec<bool>;
                release(segments: &[esker_model::SegmentId]) -> Vec<bool>;
                registered(segments: &[esker_model::SegmentId]) -> Vec<bool>;
                empty_buckets() -> u64;
                mostly_dead(bytes_min: u64, limit: usize) -> Vec<esker_model::SegmentId>;
                archived_in(
                    segments: &[esker_model::SegmentId]
                ) -> Vec<(esker_model::PartitionKey, esker_metastore::Extent)>;
                move_archived(request: &esker_metastore::ArchiveRequest) -> Vec<bool>;
            }
            Merges {
                merge_candidates(
                    due: &esker_metastore::MergeDue,
                    after: Option<esker_model::LogId>,
                    limit: usize
                ) -> Vec<esker_metastore::MergeCandidate>;
                to_merge(
                    partitions: &[esker_model::PartitionKey],
                    extents_max: usize
                ) -> Vec<Option<esker_metastore::ToMerge>>;
                known_manifests(
                    partitions: &[esker_model::PartitionKey]
                ) -> Vec<Option<esker_metastore::KnownManifest>>;
                merge(request: &esker_metastore::MergeRequest) -> Vec<bool>;
            }
            Retention {
                retain(requests: &[esker_metastore::RetainRequest]) -> esker_metastore::RetainReply;
                advance_log_start(
                    starts: &[(esker_model::PartitionKey, i64)]
                ) -> Vec<Option<esker_metastore::Head>>;
                drop_archived(limit: usize) -> u64;
            }
            Removals {
                unneeded(grace_ms: i64, skip: usize, limit: usize) -> Vec<esker_model::ObjectId>;
                forget_objects(objects: &[esker_model::ObjectId]) -> ();
                topics_to_empty(grace_ms: i64, limit: usize) -> Vec<esker_model::TopicUuid>;
                topics_emptied(topics: &[esker_model::TopicUuid]) -> ();
            }
            Sweeps {
                orphans(
                    epoch: esker_model::ClusterEpoch,
                    segments: &[esker_model::SegmentId]
                ) -> Vec<esker_model::SegmentId>;
                references(
                    epoch: esker_model::ClusterEpoch,
                    incarnations: &[esker_model::IncarnationId],
                    logs: &[esker_model::LogId]
                ) -> esker_metastore::References;
                to_sweep(limit: usize) -> Vec<esker_model::IncarnationId>;
                swept(incarnations: &[esker_model::IncarnationId]) -> u64;
            }
        }
    };
}

/// Passes on who coordinates what, likewise.
#[macro_export]
macro_rules! pass_on_coordinators {
    ($double:ty) => {
        $crate::pass_on! {
            $double,
            Coordinators {
                claim_shards(
                    incarnation: esker_model::IncarnationId,
                    wanted: &[esker_model::ShardId]
                ) -> Vec<esker_metastore::ShardOwner>;
                release_shards(
                    incarnation: esker_model::IncarnationId,
                    leases: &[esker_metastore::ShardLease]
                ) -> ();
            }
        }
    };
}

/// Passes on what coordinators of groups ask, likewise.
#[macro_export]
macro_rules! pass_on_groups {
    ($double:ty) => {
        $crate::pass_on_coordinators!($double);
        $crate::pass_on! {
            $double,
            Groups {
                load_groups(
                    incarnation: esker_model::IncarnationId,
                    lease: esker_metastore::ShardLease,
                    after: Option<&str>,
                    limit: usize
                ) -> Option<Vec<esker_metastore::StoredGroup>>;
                write_groups(writes: &esker_metastore::GroupWrites) -> Vec<bool>;
                committed_offsets(
                    requests: &[esker_metastore::OffsetsRequest]
                ) -> Vec<esker_metastore::CommittedOffsets>;
                expire_offsets(
                    incarnation: esker_model::IncarnationId,
                    lease: esker_metastore::ShardLease,
                    retention_ms: i64,
                    limit: usize
                ) -> Option<esker_metastore::Expired>;
                old_offsets(
                    shard: esker_model::ShardId,
                    age_ms: i64,
                    after: Option<&esker_metastore::OffsetOf>,
                    limit: usize
                ) -> Vec<esker_metastore::OffsetOf>;
                forget_offsets(forget: &esker_metastore::ForgetOffsets) -> bool;
            }
        }
    };
}
