-- Makes changes of groups. One call is one transaction; one boolean for each lease: whether the incarnation holds the
-- shard with this epoch, and no call with this number or a higher one was made under it. What is said under another lease
-- is left out, and so is what comes late.
--
-- What holds:
-- * A fenced or unknown incarnation and another past each raise an error: then nothing was changed.
-- * Shards are locked ascending, and before the fence row: nobody waits in a circle. A takeover or a return of a shard
--   waits for this, or this waits and finds another holder: it is looked at in the statement after the one that waited.
-- * Calls for one shard come one after the other, also those of its holder: nothing is written to a group that just goes.
--   Numbers of those that are made go up: a call that nobody waits for any more cannot undo what a later one wrote.
--
-- Callers send flat arrays. Steps refer to leases, members and offsets to steps, by index from 1. A step's parts are made
-- in this order: delete; put `state` (NULL: none); members and offsets (NULL: forget); delete if no offset is left. In a
-- round each group comes once at most; rounds are made one after the other, and nearly always there is one. This is no
-- loop over groups.
CREATE OR REPLACE FUNCTION write_groups_v1(
    p_system bigint, p_timeline integer, p_incarnation uuid,
    -- Leases, ascending.
    p_shard smallint[], p_epoch bigint[],
    p_number bigint, p_rounds integer,
    -- Steps.
    p_round integer[], p_lease integer[], p_group bytea[], p_delete boolean[],
    p_state bytea[], p_empty boolean[], p_delete_without_offsets boolean[],
    -- Members.
    p_member_of integer[], p_member bytea[], p_member_state bytea[],
    -- Offsets.
    p_offset_of integer[], p_topic integer[], p_partition integer[],
    p_offset bigint[], p_leader_epoch integer[], p_metadata bytea[],
    OUT o_held boolean[]
)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_bitmapscan = off
AS $function$
DECLARE
    v_state smallint;
    v_now   timestamptz;
    v_key   bigint[];      -- by step; 0: not of this round, not held, or there is no such group
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') <> 'on';
    PERFORM same_past_v1(p_system, p_timeline);

    PERFORM 1 FROM coordinator_shard s WHERE s.shard = ANY (p_shard) ORDER BY s.shard FOR NO KEY UPDATE;
    -- pause: write holds shards

    -- As in a commit: heartbeats must not wait, fencers must.
    SELECT a.state INTO v_state FROM agent a WHERE a.incarnation = p_incarnation FOR KEY SHARE;
    IF v_state IS DISTINCT FROM 0 THEN
        RAISE EXCEPTION 'fenced' USING ERRCODE = 'ES001';
    END IF;
    -- pause: write holds fence

    WITH held AS (
        UPDATE coordinator_shard s SET written = p_number
        FROM unnest(p_shard, p_epoch) AS q (shard, epoch)
        WHERE s.shard = q.shard AND s.epoch = q.epoch AND s.incarnation = p_incarnation AND s.written < p_number
        RETURNING s.shard, s.epoch
    )
    SELECT array_agg(h.shard IS NOT NULL ORDER BY q.i) INTO o_held
    FROM unnest(p_shard, p_epoch) WITH ORDINALITY AS q (shard, epoch, i)
    LEFT JOIN held h ON h.shard = q.shard AND h.epoch = q.epoch;
    v_now := clock_timestamp();
    -- pause: write looked at shards

    FOR r IN 1 .. p_rounds LOOP
        IF true = ANY (p_delete) THEN
            WITH gone AS (
                DELETE FROM consumer_group c
                USING unnest(p_round, p_lease, p_group, p_delete) AS q (round, lease, id, gone)
                WHERE q.round = r AND q.gone AND o_held[q.lease] AND c.shard = p_shard[q.lease] AND c.id = q.id
                RETURNING c.group_key
            ), members AS (
                DELETE FROM group_member m USING gone g WHERE m.group_key = g.group_key
            )
            DELETE FROM group_offset o USING gone g WHERE o.group_key = g.group_key;
        END IF;

        INSERT INTO consumer_group AS c (shard, id, state, empty_since)
        SELECT p_shard[q.lease], q.id, q.state, CASE WHEN q.empty THEN v_now END
        FROM unnest(p_round, p_lease, p_group, p_state, p_empty) AS q (round, lease, id, state, empty)
        WHERE q.round = r AND q.state IS NOT NULL AND o_held[q.lease]
        ORDER BY p_shard[q.lease], q.id
        ON CONFLICT (shard, id) DO UPDATE
        SET state = excluded.state,
            empty_since = CASE WHEN excluded.empty_since IS NULL THEN NULL
                               ELSE coalesce(c.empty_since, excluded.empty_since) END;

        -- Numbers, none of them NULL: then a subscript is one step.
        SELECT array_agg(coalesce(c.group_key, 0) ORDER BY q.i) INTO v_key
        FROM unnest(p_round, p_lease, p_group) WITH ORDINALITY AS q (round, lease, id, i)
        LEFT JOIN consumer_group c
            ON q.round = r AND o_held[q.lease] AND c.shard = p_shard[q.lease] AND c.id = q.id;

        IF cardinality(p_member_of) > 0 THEN
            DELETE FROM group_member m
            USING unnest(p_member_of, p_member, p_member_state) AS q (of, id, state)
            WHERE q.state IS NULL AND m.group_key = v_key[q.of] AND m.member_id = q.id;

            INSERT INTO group_member (group_key, member_id, state)
            SELECT v_key[q.of], q.id, q.state
            FROM unnest(p_member_of, p_member, p_member_state) AS q (of, id, state)
            WHERE q.state IS NOT NULL AND v_key[q.of] > 0
            ORDER BY v_key[q.of], q.id
            ON CONFLICT (group_key, member_id) DO UPDATE SET state = excluded.state;
        END IF;

        IF cardinality(p_offset_of) > 0 THEN
            DELETE FROM group_offset o
            USING unnest(p_offset_of, p_topic, p_partition, p_offset)
                AS q (of, topic_id, partition, committed_offset)
            WHERE q.committed_offset IS NULL
                AND o.group_key = v_key[q.of] AND o.topic_id = q.topic_id AND o.partition = q.partition;

            INSERT INTO group_offset (
                group_key, topic_id, partition, committed_offset, leader_epoch, committed_at, metadata)
            SELECT v_key[q.of], q.topic_id, q.partition, q.committed_offset, q.leader_epoch, v_now, q.metadata
            FROM unnest(p_offset_of, p_topic, p_partition, p_offset, p_leader_epoch, p_metadata)
                AS q (of, topic_id, partition, committed_offset, leader_epoch, metadata)
            WHERE q.committed_offset IS NOT NULL AND v_key[q.of] > 0
            ORDER BY v_key[q.of], q.topic_id, q.partition
            ON CONFLICT (group_key, topic_id, partition) DO UPDATE
            SET committed_offset = excluded.committed_offset, leader_epoch = excluded.leader_epoch,
                committed_at = excluded.committed_at, metadata = excluded.metadata;
        END IF;
        -- pause: write wrote offsets

        IF true = ANY (p_delete_without_offsets) THEN
            WITH gone AS (
                DELETE FROM consumer_group c
                USING unnest(p_lease, p_group, p_delete_without_offsets, v_key) AS q (lease, id, gone, group_key)
                WHERE q.gone AND q.group_key > 0 AND c.shard = p_shard[q.lease] AND c.id = q.id
                    AND NOT EXISTS (SELECT FROM group_offset o WHERE o.group_key = q.group_key)
                RETURNING c.group_key
            )
            DELETE FROM group_member m USING gone g WHERE m.group_key = g.group_key;
        END IF;
    END LOOP;
END
$function$;
