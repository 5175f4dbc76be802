-- For each request the log head, the manifest that lists the records from an offset on which are not among the
-- extents, and the extents that end above the offset, from the end of the manifest on, by offset: first what is
-- archived, then what is not.
--
-- What holds: STABLE functions see the snapshot of the statement that called them, so head, manifest and extents
-- belong together. (A bucket that is emptied meanwhile is not part of a snapshot: the extents of a plan may have a
-- gap then, and whoever asked looks.) The first extent is returned whatever its size; the others while those before
-- them have fewer than `p_bytes_max` bytes. A head without extents has one row, whose extent is NULL; a
-- partition that does not exist has none. The manifest stands in each row; NULL if it lists no such record.
CREATE OR REPLACE FUNCTION plan_v3(
    p_topic integer[], p_partition integer[], p_from bigint[], p_bytes_max bigint[], p_extents_max bigint[]
)
RETURNS TABLE (
    o_index bigint, o_log_start bigint, o_next_offset bigint, o_last_stable_offset bigint,
    o_archived_to bigint, o_kind smallint, o_base_offset bigint, o_end_offset bigint, o_epoch integer,
    o_incarnation uuid, o_seq bigint, o_object_bytes bigint, o_position bigint, o_bytes bigint,
    o_max_timestamp bigint, o_chunk_position bigint, o_chunk_bytes bigint, o_chunk_crc bigint,
    o_producer_id bigint, o_producer_epoch smallint, o_transactional boolean,
    o_manifest_topic uuid, o_manifest_epoch integer, o_manifest_incarnation uuid, o_manifest_seq bigint,
    o_manifest_bytes bigint, o_manifest_base bigint, o_manifest_end bigint
)
-- Each index has the order that is wanted: merge them, read no more than the limit.
LANGUAGE plpgsql STABLE
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
           s.kind, s.base_offset, s.end_offset, s.epoch, s.incarnation, s.seq, s.object_bytes, s.position,
           s.bytes, s.max_timestamp, s.chunk_position, s.chunk_bytes, s.chunk_crc,
           s.producer_id, s.producer_epoch, s.transactional,
           t.topic_uuid, m.epoch, m.incarnation, m.seq, m.object_bytes, m.base_offset, m.end_offset
    FROM unnest(p_topic, p_partition, p_from, p_bytes_max, p_extents_max) WITH ORDINALITY
        AS q (topic_id, partition, from_offset, bytes_max, extents_max, i)
    JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition
    LEFT JOIN manifest m ON m.topic_id = lh.topic_id AND m.partition = lh.partition
        AND m.end_offset > q.from_offset AND m.base_offset < m.end_offset
    LEFT JOIN topic t ON t.topic_id = m.topic_id
    LEFT JOIN LATERAL (
        SELECT y.*,
               sum(y.bytes) OVER (ORDER BY y.end_offset ROWS UNBOUNDED PRECEDING) - y.bytes AS bytes_before,
               row_number() OVER (ORDER BY y.end_offset ROWS UNBOUNDED PRECEDING) AS number
        FROM (
            (
                SELECT a.kind, a.base_offset, a.end_offset, a.epoch, a.incarnation, a.seq, a.object_bytes, a.position,
                       a.bytes, a.max_timestamp, a.chunk_position, a.chunk_bytes, a.chunk_crc,
                       NULL::bigint AS producer_id, NULL::smallint AS producer_epoch, false AS transactional
                FROM archive_extent a
                WHERE q.from_offset < lh.archived_to
                    AND a.topic_id = lh.topic_id AND a.partition = lh.partition
                    AND a.end_offset > greatest(q.from_offset, m.end_offset)
                ORDER BY a.end_offset
                LIMIT q.extents_max
            )
            UNION ALL
            (
                SELECT 0::smallint, e.base_offset, e.end_offset, e.epoch, e.incarnation, e.seq, e.object_bytes, e.position,
                       e.bytes, e.max_timestamp, NULL::bigint, NULL::bigint, NULL::bigint,
                       e.producer_id, e.producer_epoch, e.transactional
                FROM extent e
                WHERE e.topic_id = lh.topic_id AND e.partition = lh.partition
                    AND e.end_offset > greatest(q.from_offset, lh.archived_to)
                ORDER BY e.end_offset
                LIMIT q.extents_max
            )
        ) y
    ) s ON s.number <= q.extents_max AND (s.number = 1 OR s.bytes_before < q.bytes_max)
    ORDER BY q.i, s.end_offset;
END
$function$;
