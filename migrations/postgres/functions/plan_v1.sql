-- For each request the log head and the extents that end above an offset, by offset.
--
-- What holds: STABLE functions see the snapshot of the statement that called them, so head and extents
-- belong together. The first extent is returned whatever its size; the others while those before them
-- have fewer than `p_bytes_max` bytes. A head without extents has one row, whose extent is NULL; a
-- partition that does not exist has none.
CREATE OR REPLACE FUNCTION plan_v1(
    p_topic integer[], p_partition integer[], p_from bigint[], p_bytes_max bigint[], p_extents_max bigint[]
)
RETURNS TABLE (
    o_index bigint, o_log_start bigint, o_next_offset bigint, o_last_stable_offset bigint,
    o_archived_to bigint, o_base_offset bigint, o_end_offset bigint, o_epoch integer, o_incarnation uuid,
    o_seq bigint, o_object_bytes bigint, o_position bigint, o_bytes bigint, o_max_timestamp bigint,
    o_producer_id bigint, o_producer_epoch smallint, o_transactional boolean
)
LANGUAGE plpgsql STABLE
-- Each bucket's index has the order that is wanted: merge them, read no more than the limit.
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
BEGIN
    RETURN QUERY
    SELECT q.i, lh.log_start, lh.next_offset, lh.last_stable_offset, lh.archived_to,
           s.base_offset, s.end_offset, s.epoch, s.incarnation, s.seq, s.object_bytes, s.position, s.bytes,
           s.max_timestamp, s.producer_id, s.producer_epoch, s.transactional
    FROM unnest(p_topic, p_partition, p_from, p_bytes_max, p_extents_max) WITH ORDINALITY
        AS q (topic_id, partition, from_offset, bytes_max, extents_max, i)
    JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition
    LEFT JOIN LATERAL (
        SELECT x.*,
               sum(x.bytes) OVER (ORDER BY x.end_offset ROWS UNBOUNDED PRECEDING) - x.bytes AS bytes_before,
               row_number() OVER (ORDER BY x.end_offset ROWS UNBOUNDED PRECEDING) AS number
        FROM (
            SELECT e.*
            FROM extent e
            WHERE e.topic_id = lh.topic_id AND e.partition = lh.partition AND e.end_offset > q.from_offset
            ORDER BY e.end_offset
            LIMIT q.extents_max
        ) x
    ) s ON s.number = 1 OR s.bytes_before < q.bytes_max
    ORDER BY q.i, s.end_offset;
END
$function$;
