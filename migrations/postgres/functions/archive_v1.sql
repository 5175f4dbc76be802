-- Moves partitions' archived_to over extents and registers the archive segments that they lie in. One call is one
-- transaction; one boolean for each partition.
--
-- What holds:
-- * A fenced or unknown incarnation, another cluster epoch and another past each raise an error, and so does an
--   archive segment that has a row already: then nothing was changed. An archive segment becomes referenced in one
--   call only, so one whose last extent went is never referenced again.
-- * The fence row is that of the incarnation in the segments' keys: a paused archiver cannot point at an object that
--   was swept.
-- * A partition's extents begin where its archived_to is, under the lock of its head: compare and set. Otherwise it
--   is refused and nothing of it is changed. The caller's extents of one partition lie end to end.
CREATE OR REPLACE FUNCTION archive_v1(
    p_epoch integer, p_system bigint, p_timeline integer, p_incarnation uuid,
    -- Partitions, ascending by key, with the offsets from which and to which their extents reach.
    p_topic integer[], p_partition integer[], p_from bigint[], p_to bigint[],
    -- Extents: their partition's place from 1, then the columns of archive_extent.
    p_of integer[], p_base bigint[], p_end bigint[], p_kind smallint[], p_key_epoch integer[],
    p_key_incarnation uuid[], p_seq bigint[], p_object_bytes bigint[], p_position bigint[], p_bytes bigint[],
    p_max_timestamp bigint[], p_chunk_position bigint[], p_chunk_bytes bigint[], p_chunk_crc bigint[],
    OUT o_accepted boolean[]
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
    v_epoch   integer;
    v_state   smallint;
    v_locked  bigint[];
    v_objects bigint;
    v_new     bigint;
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
    -- pause: archive holds fence

    -- Lock in one statement, read in the next, as in a commit.
    SELECT array_agg(l.i) INTO v_locked
    FROM (
        SELECT q.i
        FROM unnest(p_topic, p_partition) WITH ORDINALITY AS q (topic_id, partition, i)
        JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition
        ORDER BY lh.topic_id, lh.partition
        FOR NO KEY UPDATE OF lh
    ) l;
    -- pause: archive holds heads

    SELECT array_agg(coalesce(lh.archived_to = q.from_offset AND q.to_offset <= lh.next_offset, false)
                     ORDER BY q.i)
    INTO o_accepted
    FROM unnest(p_topic, p_partition, p_from, p_to) WITH ORDINALITY
        AS q (topic_id, partition, from_offset, to_offset, i)
    LEFT JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition AND q.i = ANY (v_locked);

    INSERT INTO archive_extent (
        topic_id, partition, base_offset, end_offset, kind, epoch, incarnation, seq, object_bytes, position,
        bytes, max_timestamp, chunk_position, chunk_bytes, chunk_crc)
    SELECT p_topic[e.of], p_partition[e.of], e.base_offset, e.end_offset, e.kind, e.epoch, e.incarnation, e.seq,
           e.object_bytes, e.position, e.bytes, e.max_timestamp, e.chunk_position, e.chunk_bytes, e.chunk_crc
    FROM unnest(p_of, p_base, p_end, p_kind, p_key_epoch, p_key_incarnation, p_seq, p_object_bytes, p_position,
                p_bytes, p_max_timestamp, p_chunk_position, p_chunk_bytes, p_chunk_crc)
        AS e (of, base_offset, end_offset, kind, epoch, incarnation, seq, object_bytes, position, bytes,
              max_timestamp, chunk_position, chunk_bytes, chunk_crc)
    WHERE o_accepted[e.of];

    UPDATE log_head lh SET archived_to = q.to_offset
    FROM unnest(p_topic, p_partition, p_to, o_accepted) AS q (topic_id, partition, to_offset, accepted)
    WHERE q.accepted AND lh.topic_id = q.topic_id AND lh.partition = q.partition;
    -- pause: archive wrote extents

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
END
$function$;
