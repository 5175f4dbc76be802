//! Planted mistakes: each must be found by the meeting that is there for it.

use std::future::Future;

use crate::functions::Mistake;
use crate::{archiving, configuring, coordinating, meetings, merging, moving, sweeping};

async fn is_found<F: Future<Output = Option<Vec<String>>>>(found: F, by: &str) {
    let Some(wrong) = found.await else { return };
    assert!(
        wrong.iter().any(|text| text.contains(by)),
        "the mistake was not found; found: {wrong:#?}"
    );
}

/// Declares a planted mistake as a test.
macro_rules! planted {
    ($name:ident, $meeting:path, finds $text:literal, in $function:literal, $($wrong:expr => $instead:expr),+) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let mistake = Mistake {
                function: $function,
                replace: &[$(($wrong, $instead)),+],
            };
            is_found($meeting(Some(&mistake)), $text).await;
        }
    };
}

// A plain update does not conflict with FOR KEY SHARE.
planted!(fencing_by_a_plain_update, meetings::fence_meets_commit, finds "landed after its fencing",
    in "fence_expired_v1",
    "    ORDER BY a.incarnation\n    FOR UPDATE;" => "    ORDER BY a.incarnation;");

planted!(takeover_by_a_plain_update, meetings::takeover_meets_commit, finds "landed after its fencing",
    in "register_v1",
    "    ORDER BY a.incarnation\n    FOR UPDATE;" => "    ORDER BY a.incarnation;");

// A commit that looks at its fence row without a lock.
planted!(a_commit_without_its_fence_row, meetings::fence_meets_commit, finds "landed after its fencing",
    in "commit_v1",
    "WHERE a.incarnation = p_incarnation FOR KEY SHARE;" => "WHERE a.incarnation = p_incarnation;");

// FOR SHARE conflicts with a heartbeat's update.
planted!(a_commit_that_shares_its_fence_row, meetings::heartbeat_meets_commit, finds "heartbeat waits",
    in "commit_v1",
    "WHERE a.incarnation = p_incarnation FOR KEY SHARE;" => "WHERE a.incarnation = p_incarnation FOR SHARE;");

planted!(a_settle_that_shares_its_fence_row, meetings::heartbeat_meets_settle, finds "heartbeat waits",
    in "settle_v1",
    "WHERE a.incarnation = p_incarnation FOR KEY SHARE;" => "WHERE a.incarnation = p_incarnation FOR SHARE;");

// One statement that locks and reads: it reads with the snapshot from before it waited.
planted!(heads_read_by_the_statement_that_locks_them, meetings::commits_meet, finds "is followed by",
    in "commit_v1",
    "        FOR NO KEY UPDATE OF lh\n" => "",
    "    LEFT JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition;
    v_old_next" =>
    "    LEFT JOIN (
        WITH locked AS MATERIALIZED (
            SELECT q.topic_id, q.partition
            FROM unnest(p_topic, p_partition) AS q (topic_id, partition)
            JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition
            ORDER BY lh.topic_id, lh.partition
            FOR NO KEY UPDATE OF lh
        )
        SELECT h.* FROM locked JOIN log_head h USING (topic_id, partition)
    ) lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition;
    v_old_next");

// Producer rows that the locking statement reads along are as old as its snapshot.
planted!(producers_read_by_the_statement_that_locks, meetings::retry_meets_its_first_attempt, finds "the model says",
    in "commit_v1",
    "    SELECT array_agg(l.i ORDER BY l.i) INTO v_locked
    FROM (
        SELECT q.i
        FROM" =>
    "    CREATE TEMPORARY TABLE early (LIKE producer_partition) ON COMMIT DROP;
    WITH l AS MATERIALIZED (
        SELECT q.i
        FROM",
    "        FOR NO KEY UPDATE OF lh
    ) l;" =>
    "        FOR NO KEY UPDATE OF lh
    ), read_along AS (
        INSERT INTO early SELECT pp.* FROM producer_partition pp WHERE (SELECT count(*) FROM l) > 0
    )
    SELECT array_agg(l.i ORDER BY l.i) INTO v_locked FROM l;",
    "        LEFT JOIN producer_partition pp
" => "        LEFT JOIN early pp
");

// A head that appeared after the locking statement is read, and nobody holds its lock.
planted!(a_head_that_nobody_locked, meetings::create_meets_commits, finds "is followed by",
    in "commit_v1",
    "v_topic[i] := NULL;" => "NULL;");

// Idleness that is not looked at again under the lock.
planted!(idleness_from_before_the_lock, meetings::forget_meets_commit, finds "forgotten in use",
    in "forget_idle_producers_v1",
    "            AND pp.updated_at <= v_before\n        RETURNING" => "        RETURNING");

// A settle that looks first and believes what it saw.
planted!(a_settle_that_looks_first, meetings::settle_meets_commit, finds "but also",
    in "settle_v1",
    "    RETURN QUERY
    SELECT s.seq, s.state, s.reply
    FROM segment s
    WHERE s.incarnation = p_incarnation AND s.seq = ANY (p_seq);" =>
    "    RETURN QUERY SELECT u.seq, 2::smallint, '{}'::bigint[] FROM unnest(p_seq) AS u (seq);");

// A commit that believes that what has no row was never settled.
planted!(a_commit_that_looks_for_a_row_only, meetings::commit_comes_after_its_tombstone,
    finds "a commit of a settled segment",
    in "commit_v1",
    "OR p_seq[1] <= (" => "OR 0 > (");

// A change of configs that nobody else waits for.
planted!(an_alteration_without_the_catalogs_lock, configuring::alterations_meet, finds "did not raise the version",
    in "alter_configs_v2",
    "FROM cluster c FOR NO KEY UPDATE;" => "FROM cluster c;");

// An archiver that looks at its fence row without a lock.
planted!(an_archiver_without_its_fence_row, archiving::fence_meets_archive, finds "went on after its fencing",
    in "archive_v1",
    "WHERE a.incarnation = p_incarnation FOR KEY SHARE;" => "WHERE a.incarnation = p_incarnation;");

// Compare and set without the lock of the head.
planted!(an_archiver_that_does_not_lock_heads, archiving::archivers_meet, finds "both archived",
    in "archive_v1",
    "        FOR NO KEY UPDATE OF lh\n" => "");

// Check, lock, empty: what a commit wrote in between goes with the bucket.
planted!(a_bucket_that_is_not_looked_at_again, archiving::commit_meets_empty, finds "emptied Ok(1) of 8",
    in "empty_bucket_v1",
    "    -- pause: empty holds bucket
    EXECUTE c_needed INTO v_needed;" => "");

// A merger that looks at its fence row without a lock.
planted!(a_merger_without_its_fence_row, merging::fence_meets_merge, finds "went on after its fencing",
    in "merge_v1",
    "WHERE a.incarnation = p_incarnation FOR KEY SHARE;" => "WHERE a.incarnation = p_incarnation;");

planted!(a_merger_that_does_not_lock_heads, merging::mergers_meet, finds "both merged",
    in "merge_v1",
    "        FOR NO KEY UPDATE OF lh\n" => "");

// The offsets fit, but the extents are not those that the merger read.
planted!(a_merger_that_does_not_count, moving::move_meets_merge, finds "other extents than those counted",
    in "merge_v1",
    "AND e.extents = q.extents AND (q.extents = 0" => "AND (q.extents = 0");

planted!(a_mover_without_its_fence_row, moving::fence_meets_move, finds "went on after its fencing",
    in "move_archived_v2",
    "WHERE a.incarnation = p_incarnation FOR KEY SHARE;" => "WHERE a.incarnation = p_incarnation;");

planted!(a_mover_that_does_not_lock_heads, moving::merge_meets_move, finds "extents moved that were merged",
    in "move_archived_v2",
    "        FOR NO KEY UPDATE OF lh\n" => "");

planted!(a_mover_that_reads_the_log_start_too_early, moving::advance_meets_move, finds "below the log start by now",
    in "move_archived_v2",
    "        FOR NO KEY UPDATE OF lh\n" => "");

// What is being forgotten is put anew: of what goes as a whole, some comes back.
planted!(a_mover_that_moves_what_is_forgotten, moving::drop_meets_move, finds "do not end where the next one begins",
    in "move_archived_v2",
    " AND e.first_end > lh.log_start" => "");

planted!(a_mover_that_moves_what_will_be_forgotten, moving::move_meets_drop,
    finds "do not end where the next one begins",
    in "move_archived_v2",
    " AND e.first_end > lh.log_start" => "");

// Two that take the last extents of a segment, and each sees those of the other.
planted!(a_release_without_the_lock_of_its_segment, moving::releases_meet, finds "were not released",
    in "release_archived_v1",
    "    FOR NO KEY UPDATE OF s;" => "    ;");

// A sweep that believes in a fencing that a commit did not notice.
planted!(a_commit_that_a_sweep_does_not_see, sweeping::orphans_meet_commit, finds "called an orphan",
    in "commit_v1",
    "WHERE a.incarnation = p_incarnation FOR KEY SHARE;" => "WHERE a.incarnation = p_incarnation;");

// Who was named as swept, whether it had ended or not.
planted!(one_that_lived_and_counts_as_swept, sweeping::fence_meets_swept, finds "counts as swept",
    in "swept_v2",
    "WHERE a.incarnation = ANY (v_ended) AND a.state IN (1, 2, 3);" =>
    "WHERE a.incarnation = ANY (p_incarnations) AND a.state IN (1, 2, 3);");

const LOCKS_SHARDS: &str = "ORDER BY s.shard FOR NO KEY UPDATE;";
const LOCKS_NOTHING: &str = "ORDER BY s.shard;";
const NOTES_ITS_NUMBER: &str = "        UPDATE coordinator_shard s SET written = p_number
        FROM unnest(p_shard, p_epoch) AS q (shard, epoch)
        WHERE s.shard = q.shard AND s.epoch = q.epoch AND s.incarnation = p_incarnation AND s.written < p_number
        RETURNING s.shard, s.epoch
";
const LOOKS_ONLY: &str = "        SELECT s.shard, s.epoch
        FROM unnest(p_shard, p_epoch) AS q (shard, epoch)
        JOIN coordinator_shard s
            ON s.shard = q.shard AND s.epoch = q.epoch AND s.incarnation = p_incarnation AND s.written < p_number
";

// A write that looks at its shards without a lock.
planted!(a_write_without_its_shards, coordinating::return_meets_write, finds "landed after the shard was lost",
    in "write_groups_v1",
    LOCKS_SHARDS => LOCKS_NOTHING, NOTES_ITS_NUMBER => LOOKS_ONLY);

planted!(a_write_that_does_not_wait_for_a_return, coordinating::write_meets_return, finds "was not waited for",
    in "write_groups_v1",
    LOCKS_SHARDS => LOCKS_NOTHING, NOTES_ITS_NUMBER => LOOKS_ONLY);

// A write that comes late, and is not asked for its number.
planted!(a_write_that_no_number_holds_back, coordinating::late_write_meets_newer, finds "went back",
    in "write_groups_v1",
    " AND s.written < p_number\n" => "\n");

// A write that compares its number and leaves none.
planted!(a_write_that_leaves_no_number, coordinating::late_write_meets_newer, finds "went back",
    in "write_groups_v1",
    NOTES_ITS_NUMBER => LOOKS_ONLY);

planted!(a_write_without_its_fence_row, coordinating::fence_meets_write, finds "landed after the shard was lost",
    in "write_groups_v1",
    "WHERE a.incarnation = p_incarnation FOR KEY SHARE;" => "WHERE a.incarnation = p_incarnation;");

planted!(a_write_that_shares_its_fence_row, coordinating::heartbeat_meets_write, finds "heartbeat waits",
    in "write_groups_v1",
    "WHERE a.incarnation = p_incarnation FOR KEY SHARE;" => "WHERE a.incarnation = p_incarnation FOR SHARE;");

// What was free a moment ago.
planted!(a_claim_that_does_not_look_again, coordinating::claimers_meet, finds "was taken from",
    in "claim_shards_v1",
    "WHERE s.shard = ANY (v_free)
            AND NOT EXISTS (SELECT FROM agent a WHERE a.incarnation = s.incarnation AND a.state = 0);" =>
    "WHERE s.shard = ANY (v_free);");

// A group goes while somebody writes to it.
planted!(a_deletion_that_is_not_alone, coordinating::deletion_meets_write, finds "offsets of no group",
    in "write_groups_v1",
    LOCKS_SHARDS => LOCKS_NOTHING, NOTES_ITS_NUMBER => LOOKS_ONLY);

// What was old before somebody wrote to it.
planted!(an_expiry_that_does_not_look_again, coordinating::expiry_meets_write, finds "in use expired",
    in "expire_offsets_v2",
    "            AND (NOT EXISTS (SELECT FROM topic t WHERE t.topic_id = q.topic_id AND t.state = 0)
                 OR (c.empty_since <= v_before AND o.committed_at <= v_before));" => ";");
