-- Replaces manifests of partitions: archived extents that begin below the new manifest's end are forgotten, and archive
-- segments released that nothing needs then; the old manifest is released, and what it needed and the new one does
-- not. Archive segments of which holes in the new manifest name records are kept so much longer. One call is one
-- transaction; one boolean for each partition.
--
-- What holds:
-- * A fenced or unknown incarnation, another cluster epoch and another past each raise an error: then nothing was
--   changed.
-- * The fence row is that of the incarnation in the manifests' keys, and in those of the merged segments that are new
--   in them: a paused merger cannot point at an object that was swept.
-- * Compare and set, under the lock of the partition's head: the manifest has the version that was to be replaced,
--   the extents below the new one's end are as many as were counted, and the last of them ends there; the new one
--   begins at or below the log start. So every offset from the log start on is listed in the manifest or has an extent,
--   in every snapshot. Otherwise the partition is refused and nothing of it is changed.
CREATE OR REPLACE FUNCTION merge_v1(
    p_epoch integer, p_system bigint, p_timeline integer, p_incarnation uuid,
    -- Partitions, ascending by key: the version to replace, the number of extents, then the columns of manifest.
    p_topic integer[], p_partition integer[], p_replaces bigint[], p_extents bigint[], p_key_epoch integer[],
    p_seq bigint[], p_object_bytes bigint[], p_base bigint[], p_end bigint[], p_objects bigint[], p_bytes bigint[],
    p_first_end bigint[], p_first_bytes bigint[], p_first_timestamp bigint[],
    -- Objects that are not needed any more: their partition's place from 1, then the columns of unneeded_object.
    p_of integer[], p_object_topic uuid[], p_object_partition integer[], p_object_kind smallint[],
    p_object_incarnation uuid[], p_object_seq bigint[], p_object_epoch integer[],
    -- Archive segments of which records are lost: their partition's place from 1, and their keys.
    p_lost_of integer[], p_lost_incarnation uuid[], p_lost_seq bigint[], p_hole_kept_ms bigint,
    OUT o_accepted boolean[]
)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
DECLARE
    v_epoch       integer;
    v_state       smallint;
    v_locked      bigint[];
    v_incarnation uuid[];
    v_seq         bigint[];
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') <> 'on';

    SELECT c.epoch INTO STRICT v_epoch FROM cluster c;
    IF v_epoch <> p_epoch THEN
        RAISE EXCEPTION 'wrong cluster epoch' USING ERRCODE = 'ES002', DETAIL = v_epoch;
    END IF;
    PERFORM same_past_v1(p_system, p_timeline);

    -- As in a commit: heartbeats must not wait, fencers must.
    SELECT a.state INTO v_state FROM agent a WHERE a.incarnation = p_incarnation FOR KEY SHARE;
    IF v_state IS DISTINCT FROM 0 THEN
        RAISE EXCEPTION 'fenced' USING ERRCODE = 'ES001';
    END IF;
    -- pause: merge holds fence

    -- Lock in one statement, read in the next, as in a commit.
    SELECT array_agg(l.i) INTO v_locked
    FROM (
        SELECT q.i
        FROM unnest(p_topic, p_partition) WITH ORDINALITY AS q (topic_id, partition, i)
        JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition
        ORDER BY lh.topic_id, lh.partition
        FOR NO KEY UPDATE OF lh
    ) l;
    -- pause: merge holds heads

    SELECT array_agg(
        coalesce(
            coalesce(m.version, 0) = q.replaces
                AND q.base_offset <= lh.log_start AND q.base_offset <= q.end_offset AND q.end_offset <= lh.archived_to
                AND e.extents = q.extents AND (q.extents = 0 OR e.end_offset = q.end_offset),
            false)
        ORDER BY q.i)
    INTO o_accepted
    FROM unnest(p_topic, p_partition, p_replaces, p_extents, p_base, p_end) WITH ORDINALITY
        AS q (topic_id, partition, replaces, extents, base_offset, end_offset, i)
    LEFT JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition AND q.i = ANY (v_locked)
    LEFT JOIN manifest m ON m.topic_id = lh.topic_id AND m.partition = lh.partition
    LEFT JOIN LATERAL (
        SELECT count(*) AS extents, max(a.end_offset) AS end_offset
        FROM archive_extent a
        WHERE a.topic_id = lh.topic_id AND a.partition = lh.partition AND a.base_offset < q.end_offset
    ) e ON true;

    INSERT INTO unneeded_object (topic_uuid, partition, kind, incarnation, seq, epoch)
    SELECT t.topic_uuid, m.partition, 3, m.incarnation, m.seq, m.epoch
    FROM unnest(p_topic, p_partition, o_accepted) AS q (topic_id, partition, accepted)
    JOIN manifest m ON m.topic_id = q.topic_id AND m.partition = q.partition
    JOIN topic t ON t.topic_id = m.topic_id
    WHERE q.accepted
    UNION ALL
    SELECT o.topic_uuid, o.partition, o.kind, o.incarnation, o.seq, o.epoch
    FROM unnest(p_of, p_object_topic, p_object_partition, p_object_kind, p_object_incarnation, p_object_seq,
                p_object_epoch)
        AS o (of, topic_uuid, partition, kind, incarnation, seq, epoch)
    WHERE o_accepted[o.of]
    ON CONFLICT (topic_uuid, partition, kind, incarnation, seq) DO NOTHING;

    INSERT INTO manifest AS m (
        topic_id, partition, version, epoch, incarnation, seq, object_bytes, base_offset, end_offset, objects, bytes,
        first_end_offset, first_bytes, first_timestamp)
    SELECT q.topic_id, q.partition, q.replaces + 1, q.epoch, p_incarnation, q.seq, q.object_bytes, q.base_offset,
           q.end_offset, q.objects, q.bytes, q.first_end_offset, q.first_bytes, q.first_timestamp
    FROM unnest(p_topic, p_partition, p_replaces, p_key_epoch, p_seq, p_object_bytes, p_base, p_end, p_objects,
                p_bytes, p_first_end, p_first_bytes, p_first_timestamp, o_accepted)
        AS q (topic_id, partition, replaces, epoch, seq, object_bytes, base_offset, end_offset, objects, bytes,
              first_end_offset, first_bytes, first_timestamp, accepted)
    WHERE q.accepted
    ON CONFLICT (topic_id, partition) DO UPDATE
    SET version = excluded.version, epoch = excluded.epoch, incarnation = excluded.incarnation, seq = excluded.seq,
        object_bytes = excluded.object_bytes, base_offset = excluded.base_offset, end_offset = excluded.end_offset,
        objects = excluded.objects, bytes = excluded.bytes, first_end_offset = excluded.first_end_offset,
        first_bytes = excluded.first_bytes, first_timestamp = excluded.first_timestamp;
    -- pause: merge wrote manifests

    WITH taken AS (
        DELETE FROM archive_extent a
        USING unnest(p_topic, p_partition, p_end, o_accepted) AS q (topic_id, partition, end_offset, accepted)
        WHERE q.accepted
            AND a.topic_id = q.topic_id AND a.partition = q.partition AND a.end_offset <= q.end_offset
        RETURNING a.kind, a.incarnation, a.seq
    )
    SELECT array_agg(t.incarnation), array_agg(t.seq) INTO v_incarnation, v_seq
    FROM taken t
    WHERE t.kind = 1;
    -- Another statement: it sees what is left.
    IF v_seq IS NOT NULL THEN
        PERFORM release_archived_v1(v_incarnation, v_seq);
        -- They are among those, and locked.
        UPDATE archive_segment s
        SET kept_ms = p_hole_kept_ms, released_at = s.released_at + make_interval(secs => p_hole_kept_ms / 1000.0)
        FROM (
            SELECT DISTINCT l.incarnation, l.seq
            FROM unnest(p_lost_of, p_lost_incarnation, p_lost_seq) AS l (of, incarnation, seq)
            WHERE o_accepted[l.of]
        ) q
        WHERE s.incarnation = q.incarnation AND s.seq = q.seq AND s.kept_ms = 0;
    END IF;
END
$function$;
