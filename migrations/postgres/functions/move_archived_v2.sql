-- Puts archived extents into the place of others that cover exactly the same offsets, registers the archive segments
-- that they lie in, and releases those that nothing needs now. One call is one transaction; one boolean for each
-- range of offsets.
--
-- What holds:
-- * A fenced or unknown incarnation, another cluster epoch and another past each raise an error, and so does an
--   archive segment that has a row already: then nothing was changed.
-- * The fence row is that of the incarnation in the segments' keys: nobody can point at an object that was swept.
-- * Compare and set, under the lock of the partition's head: extents cover the range from its beginning to its end, and
--   none reaches out of it; no accepted range before it meets it. Otherwise it is refused and nothing of it is changed.
--   The caller's extents of one range lie end to end.
-- * A range of which an extent lies below the log start is refused, too. What forgets those (drop_archived) locks no
--   head: were they put anew meanwhile, some would come back of what goes as a whole, with gaps between them. So a
--   move and what forgets never want the same extents: the log start stands still under the lock, and it was never
--   further.
-- * The records count as archived when the youngest of the extents replaced was.
CREATE OR REPLACE FUNCTION move_archived_v2(
    p_epoch integer, p_system bigint, p_timeline integer, p_incarnation uuid,
    -- Ranges, ascending by key: a partition, and the offsets from which and to which its extents reach.
    p_topic integer[], p_partition integer[], p_from bigint[], p_to bigint[],
    -- Extents: their range's place from 1, then the columns of archive_extent.
    p_of integer[], p_base bigint[], p_end bigint[], p_kind smallint[], p_key_epoch integer[],
    p_key_incarnation uuid[], p_seq bigint[], p_object_bytes bigint[], p_position bigint[], p_bytes bigint[],
    p_max_timestamp bigint[], p_chunk_position bigint[], p_chunk_bytes bigint[], p_chunk_crc bigint[],
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
    v_archived_at timestamptz[];
    v_incarnation uuid[];
    v_seq         bigint[];
    v_objects     bigint;
    v_new         bigint;
    j             integer;
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
    -- pause: move holds fence

    -- Lock in one statement, read in the next, as in a commit.
    SELECT array_agg(l.i) INTO v_locked
    FROM (
        SELECT q.i
        FROM unnest(p_topic, p_partition) WITH ORDINALITY AS q (topic_id, partition, i)
        JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition
        ORDER BY lh.topic_id, lh.partition
        FOR NO KEY UPDATE OF lh
    ) l;
    -- pause: move holds heads

    SELECT array_agg(coalesce(e.covered = q.to_offset - q.from_offset AND e.first_end > lh.log_start, false)
                     ORDER BY q.i),
           array_agg(e.archived_at ORDER BY q.i)
    INTO o_accepted, v_archived_at
    FROM unnest(p_topic, p_partition, p_from, p_to) WITH ORDINALITY
        AS q (topic_id, partition, from_offset, to_offset, i)
    LEFT JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition AND q.i = ANY (v_locked)
    LEFT JOIN LATERAL (
        SELECT sum(a.end_offset - a.base_offset) AS covered, max(a.archived_at) AS archived_at,
               min(a.end_offset) AS first_end
        FROM archive_extent a
        WHERE a.topic_id = lh.topic_id AND a.partition = lh.partition
            AND a.end_offset > q.from_offset AND a.end_offset <= q.to_offset AND a.base_offset >= q.from_offset
    ) e ON true;

    -- A range that meets an accepted one before it would cover what that one puts there.
    FOR i IN 2 .. cardinality(p_topic) LOOP
        j := i - 1;
        WHILE o_accepted[i] AND j > 0 AND p_topic[j] = p_topic[i] AND p_partition[j] = p_partition[i] LOOP
            o_accepted[i] := NOT (o_accepted[j] AND p_from[j] < p_to[i] AND p_from[i] < p_to[j]);
            j := j - 1;
        END LOOP;
    END LOOP;

    WITH ranges AS MATERIALIZED (
        SELECT q.topic_id, q.partition, q.from_offset, q.to_offset
        FROM unnest(p_topic, p_partition, p_from, p_to, o_accepted)
            AS q (topic_id, partition, from_offset, to_offset, accepted)
        WHERE q.accepted
        ORDER BY q.topic_id, q.partition, q.from_offset
    ), taken AS (
        DELETE FROM archive_extent a
        USING ranges r
        WHERE a.topic_id = r.topic_id AND a.partition = r.partition
            AND a.end_offset > r.from_offset AND a.end_offset <= r.to_offset
        RETURNING a.kind, a.incarnation, a.seq
    )
    SELECT array_agg(t.incarnation), array_agg(t.seq) INTO v_incarnation, v_seq
    FROM taken t
    WHERE t.kind = 1;

    INSERT INTO archive_extent (
        topic_id, partition, base_offset, end_offset, kind, epoch, incarnation, seq, object_bytes, position,
        bytes, max_timestamp, chunk_position, chunk_bytes, chunk_crc, archived_at)
    SELECT p_topic[e.of], p_partition[e.of], e.base_offset, e.end_offset, e.kind, e.epoch, e.incarnation, e.seq,
           e.object_bytes, e.position, e.bytes, e.max_timestamp, e.chunk_position, e.chunk_bytes, e.chunk_crc,
           v_archived_at[e.of]
    FROM unnest(p_of, p_base, p_end, p_kind, p_key_epoch, p_key_incarnation, p_seq, p_object_bytes, p_position,
                p_bytes, p_max_timestamp, p_chunk_position, p_chunk_bytes, p_chunk_crc)
        AS e (of, base_offset, end_offset, kind, epoch, incarnation, seq, object_bytes, position, bytes,
              max_timestamp, chunk_position, chunk_bytes, chunk_crc)
    WHERE o_accepted[e.of];
    -- pause: move wrote extents

    WITH objects AS (
        SELECT DISTINCT e.seq, e.epoch, e.object_bytes
        FROM unnest(p_of, p_kind, p_key_epoch, p_seq, p_object_bytes) AS e (of, kind, epoch, seq, object_bytes)
        WHERE o_accepted[e.of] AND e.kind = 1
    ), registered AS (
        INSERT INTO archive_segment (incarnation, seq, epoch, object_bytes)
        SELECT p_incarnation, o.seq, o.epoch, o.object_bytes FROM objects o ORDER BY o.seq
        ON CONFLICT (incarnation, seq) DO NOTHING
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM objects), (SELECT count(*) FROM registered) INTO v_objects, v_new;
    IF v_objects <> v_new THEN
        RAISE EXCEPTION 'already settled' USING ERRCODE = 'ES003';
    END IF;

    -- After the registering, whose locks come first; another statement: it sees what is left.
    IF v_seq IS NOT NULL THEN
        PERFORM release_archived_v1(v_incarnation, v_seq);
    END IF;
END
$function$;
