//! What every metastore must do: one list of cases, run on SQLite in memory, SQLite in a file and
//! Postgres, each case on a fresh and empty store.
//!
//! A case is an `async fn case(world: &World)`. The files follow the traits' consumers. `property`
//! feeds random command sequences to all of them and to a reference made of the pure rules.
//! What a seam's documentation leaves open is settled here:
//! - epoch before fence: a caller of another epoch hears `WrongEpoch`, fenced or not;
//! - an incarnation that never registered is `Fenced`;
//! - the time that a heartbeat tells lies between its beginning and its end, on the store's clock;
//! - a run for a partition that does not exist is refused with one piece over all its batches;
//! - `CreateTopics` repeated with the same uuid and name finds its topic, as after an unknown outcome;
//! - `fence_expired` names those of the list that are not live any more, in order, whoever ended them;
//! - a life keeps its name: registering it under another is `Fenced`, and no node id is used up;
//! - a lease is over when the clock is past its end; an archived extent tells of no producer;
//! - an idle pair is one that was not appended to (or noted) for at least `idle_ms`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    unreachable_pub
)]

mod agents;
mod archive;
mod archive_going;
mod archive_jobs;
mod archive_requests;
mod cluster;
mod commits;
mod commits_refused;
mod configs;
mod coordinators;
mod created_again;
mod figures;
mod group_expiry;
mod group_numbers;
mod groups;
mod merge_requests;
mod merging;
mod moves;
mod on_disk;
mod on_disk_archive;
mod on_disk_groups;
mod on_disk_read;
use esker_harness::throwaway_postgres as postgres_server;
mod producers;
mod property;
mod reads;
mod reference;
mod retention;
mod runs;
mod settle;
mod sweeping;
mod topics;
mod world;

use world::World;

macro_rules! conformance {
    ($($group:ident: $($case:ident),+ $(,)?;)+) => {
        mod reference_model {
            $(mod $group {
                $(#[tokio::test]
                async fn $case() {
                    crate::$group::$case(&crate::World::reference()).await;
                })+
            })+
        }
        mod sqlite_memory {
            $(mod $group {
                $(#[tokio::test]
                async fn $case() {
                    crate::$group::$case(&crate::World::sqlite_memory()).await;
                })+
            })+
        }
        mod sqlite_file {
            $(mod $group {
                $(#[tokio::test]
                async fn $case() {
                    crate::$group::$case(&crate::World::sqlite_file()).await;
                })+
            })+
        }
        mod postgres {
            $(mod $group {
                $(#[tokio::test]
                async fn $case() {
                    if let Some(world) = crate::World::postgres().await {
                        crate::$group::$case(&world).await;
                    }
                })+
            })+
        }
    };
}

conformance! {
    merging:
        partitions_are_due_by_bytes_extents_and_age,
        candidates_come_in_the_order_of_their_logs,
        what_is_to_be_merged_is_told_as_one,
        what_is_known_of_a_manifest_is_what_was_said,
        merged_extents_are_listed_in_the_manifest,
        what_a_new_manifest_does_not_need_goes_with_the_old_one,
        an_archive_segment_that_holes_name_is_kept_longer,
        manifests_that_do_not_fit_are_refused_alone,
        who_may_not_merge_changes_nothing,
        what_lies_below_the_log_start_makes_a_candidate,
        queries_by_time_are_told_of_the_manifest,
        stored_bytes_are_those_listed_and_those_not,
        a_manifest_goes_with_its_topic;
    moves:
        mostly_dead_segments_are_told,
        extents_move_into_another_segment,
        moves_that_do_not_cover_what_is_there_are_refused_alone,
        what_lies_below_the_log_start_does_not_move,
        moved_records_are_as_old_as_before,
        who_was_registered_is_told_until_its_object_is_gone;
    sweeping:
        what_a_living_incarnation_wrote_is_no_orphan,
        what_was_settled_without_a_commit_is_an_orphan,
        another_epoch_is_told_nothing,
        references_are_told_with_who_lives,
        swept_incarnations_are_forgotten_with_their_last_segment;
    retention:
        log_starts_move_forward_within_the_log,
        old_chunks_go_from_the_beginning_on,
        records_without_a_timestamp_are_as_old_as_their_archiving,
        what_a_manifest_lists_is_judged_by_who_can_read_it,
        chunks_go_that_have_enough_behind_them,
        what_lies_below_the_log_start_is_dropped,
        a_shared_archive_segment_goes_with_its_last_chunk;
    commits:
        offsets_are_dense_and_heads_follow,
        nothing_to_commit_is_fine,
        an_extent_says_where_its_bytes_are,
        leading_duplicates_are_peeled_off,
        a_duplicate_may_cover_part_of_a_run,
        a_duplicate_inside_one_call_is_answered_from_that_call,
        producers_interleave_in_one_call,
        a_producer_goes_on_in_the_next_segment_of_a_call,
        runs_of_one_producer_follow_on_each_other_in_one_segment,
        partitions_know_producers_each_on_their_own,
        sequences_wrap,
        a_higher_epoch_starts_again_at_zero,
        a_large_group_is_one_commit;
    commits_refused:
        a_gap_is_refused_and_leaves_nothing,
        a_refused_run_stops_neither_later_runs_nor_other_partitions,
        below_the_remembered_runs_all_was_appended,
        an_old_epoch_is_stale,
        an_unknown_partition_is_refused_beside_good_ones,
        a_deleted_topic_is_an_unknown_partition,
        a_fenced_incarnation_commits_nothing,
        an_unregistered_incarnation_is_fenced,
        another_epoch_commits_nothing,
        another_epoch_is_said_before_fenced,
        a_segment_is_committed_once,
        one_settled_segment_refuses_the_whole_call;
    settle:
        an_uncommitted_segment_is_tombstoned_for_ever,
        what_was_settled_stays_refused_when_its_tombstone_is_gone,
        a_committed_segment_reads_back_the_identical_reply,
        settling_twice_says_the_same,
        segments_settle_each_on_their_own,
        incarnations_have_their_own_segments,
        a_fenced_incarnation_cannot_settle,
        a_reply_outlives_its_topic;
    reads:
        heads_answer_in_order,
        a_plan_is_contiguous_from_the_extent_that_holds_the_offset,
        a_plan_stops_at_its_limits,
        a_plan_ends_at_the_head,
        plans_answer_in_order,
        find_at_or_after_a_time,
        find_the_largest_time,
        find_by_time_in_an_empty_log,
        stored_bytes_answer_in_order;
    topics:
        a_topic_is_created_with_its_heads,
        names_exist_once,
        names_collide_when_dots_read_as_underscores,
        creating_fails_topic_by_topic,
        creating_again_with_the_same_uuid_finds_the_topic,
        a_deleted_topic_is_not_created_by_a_repeated_call,
        the_catalog_tells_what_changed,
        a_name_is_created_again_as_another_topic,
        partitions_are_only_added;
    configs:
        configs_are_set_and_removed,
        groups_have_configs_of_their_own,
        a_group_without_configs_is_forgotten,
        the_catalog_tells_what_groups_have_set,
        only_so_many_groups_have_configs;
    producers:
        producer_ids_never_overlap,
        an_idle_producer_is_forgotten_and_taken_up_again,
        a_forgotten_producer_may_start_at_zero,
        a_producer_above_the_forgotten_ones_starts_at_zero,
        active_producers_are_not_forgotten,
        forgetting_stops_at_its_limit,
        active_producers_are_told,
        of_many_producers_those_that_appended_last_are_told;
    created_again:
        a_producer_goes_on_at_its_second_offer,
        pipelined_batches_go_on_from_the_lowest,
        a_producer_id_given_out_later_starts_at_zero,
        a_new_name_has_forgotten_nobody,
        each_creation_knows_the_producers_before_it,
        partitions_added_later_were_known_before,
        forgetting_goes_on_from_there;
    agents:
        a_name_keeps_its_node_id,
        a_new_life_fences_the_earlier_one,
        registering_again_changes_nothing,
        a_fenced_incarnation_does_not_come_back,
        registering_needs_the_epoch,
        a_heartbeat_tells_who_is_alive,
        a_heartbeat_tells_the_time,
        silence_expires_and_is_fenced,
        a_heartbeat_keeps_alive,
        one_that_announces_its_leave_has_no_roles_and_lives_on,
        leaving_ends_a_life;
    archive:
        an_archive_segment_is_named_by_one_call_only,
        archiving_moves_archived_to_and_a_plan_crosses_it,
        a_plan_across_archived_to_stops_at_its_limits,
        archiving_goes_on_where_it_ended,
        extents_that_do_not_fit_are_refused_alone,
        a_hole_is_told,
        who_may_not_archive_changes_nothing,
        nobody_archives_to_the_segment_of_another,
        at_or_after_a_time_looks_at_both,
        the_largest_time_looks_at_both;
    archive_going:
        segments_wait_in_the_order_of_their_commits,
        what_is_not_archived_is_told_in_order,
        a_segment_is_released_when_all_of_it_is_archived,
        what_was_never_committed_is_released,
        a_released_segment_is_settled_as_committed,
        released_segments_wait_for_their_grace,
        a_living_incarnation_may_ask_for_what_it_has_not_settled,
        what_nobody_can_ask_for_any_more_does_not_keep_its_incarnation,
        what_is_forgotten_is_not_unneeded_any_more,
        an_archive_segment_goes_with_the_last_of_its_topics,
        a_segment_that_holes_name_is_kept_longer,
        a_hole_keeps_no_segment,
        ingest_segments_do_not_wait_for_deleted_topics,
        emptying_buckets_changes_nothing_that_is_read;
    archive_jobs:
        a_lease_is_held_renewed_and_taken_over,
        the_lease_of_one_that_is_gone_is_free,
        a_job_that_was_done_is_not_due_for_a_while_whoever_asks,
        who_has_the_lease_reports,
        the_status_counts_what_there_is_to_do;
    coordinators:
        a_shard_is_taken_once,
        a_shard_that_was_given_back_is_free,
        the_shards_of_one_that_is_gone_are_free,
        the_dead_claim_nothing;
    groups:
        a_group_is_found_again,
        groups_are_loaded_page_by_page,
        any_string_is_an_id,
        a_group_without_a_state_keeps_nothing,
        a_deleted_group_leaves_nothing,
        a_group_goes_only_without_offsets,
        later_changes_of_a_call_win,
        only_the_holder_writes_and_loads,
        the_dead_write_nothing,
        a_group_is_of_its_own_shard,
        committed_offsets_answer_in_order,
        a_large_call_is_made_at_once;
    group_expiry:
        offsets_of_groups_without_members_expire,
        a_group_that_had_a_member_for_a_moment_is_empty_anew,
        offsets_of_deleted_topics_go,
        groups_without_offsets_are_told,
        old_offsets_of_groups_with_members_are_told,
        named_offsets_are_forgotten_if_they_are_old,
        only_who_holds_the_shard_forgets_offsets;
    group_numbers:
        a_late_write_changes_nothing,
        what_is_not_late_is_made,
        a_new_lease_begins_anew,
        a_refused_call_uses_no_number;
    cluster:
        the_cluster_is_recorded_once,
        the_bucket_is_bound_for_ever;
}
