-- For each request the log head and one extent: the first, above an offset, whose largest timestamp is
-- at least the one asked for, or (`p_by_max`) the first with the largest timestamp of all. And the manifest that lists
-- the records from the offset on which were not looked at: they come before those of the extent.
--
-- What holds: as in plan_v3; nothing below the log's start is found. A head without such
-- an extent has one row, whose extent is NULL; a partition that does not exist has none.
CREATE OR REPLACE FUNCTION find_by_time_v3(
    p_topic integer[], p_partition integer[], p_by_max boolean[], p_timestamp bigint[], p_from bigint[]
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
    FROM unnest(p_topic, p_partition, p_by_max, p_timestamp, p_from) WITH ORDINALITY
        AS q (topic_id, partition, by_max, wanted, from_offset, i)
    JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition
    LEFT JOIN manifest m ON m.topic_id = lh.topic_id AND m.partition = lh.partition
        AND m.end_offset > greatest(q.from_offset, lh.log_start) AND m.base_offset < m.end_offset
    LEFT JOIN topic t ON t.topic_id = m.topic_id
    LEFT JOIN LATERAL (
        SELECT y.*
        FROM (
            (SELECT a.kind, a.base_offset, a.end_offset, a.epoch, a.incarnation, a.seq, a.object_bytes, a.position,
                    a.bytes, a.max_timestamp, a.chunk_position, a.chunk_bytes, a.chunk_crc,
                    NULL::bigint AS producer_id, NULL::smallint AS producer_epoch, false AS transactional
             FROM archive_extent a
             WHERE NOT q.by_max AND a.topic_id = lh.topic_id AND a.partition = lh.partition
                 AND a.end_offset > greatest(q.from_offset, lh.log_start, m.end_offset)
                 AND a.max_timestamp >= q.wanted
             ORDER BY a.end_offset
             LIMIT 1)
            UNION ALL
            (SELECT 0::smallint, e.base_offset, e.end_offset, e.epoch, e.incarnation, e.seq, e.object_bytes, e.position,
                    e.bytes, e.max_timestamp, NULL::bigint, NULL::bigint, NULL::bigint,
                    e.producer_id, e.producer_epoch, e.transactional
             FROM extent e
             WHERE NOT q.by_max AND e.topic_id = lh.topic_id AND e.partition = lh.partition
                 AND e.end_offset > greatest(q.from_offset, lh.log_start, lh.archived_to)
                 AND e.max_timestamp >= q.wanted
             ORDER BY e.end_offset
             LIMIT 1)
            UNION ALL
            (SELECT a.kind, a.base_offset, a.end_offset, a.epoch, a.incarnation, a.seq, a.object_bytes, a.position,
                    a.bytes, a.max_timestamp, a.chunk_position, a.chunk_bytes, a.chunk_crc,
                    NULL::bigint AS producer_id, NULL::smallint AS producer_epoch, false AS transactional
             FROM archive_extent a
             WHERE q.by_max AND a.topic_id = lh.topic_id AND a.partition = lh.partition
                 AND a.end_offset > greatest(lh.log_start, m.end_offset)
             ORDER BY a.max_timestamp DESC, a.end_offset
             LIMIT 1)
            UNION ALL
            (SELECT 0::smallint, e.base_offset, e.end_offset, e.epoch, e.incarnation, e.seq, e.object_bytes, e.position,
                    e.bytes, e.max_timestamp, NULL::bigint, NULL::bigint, NULL::bigint,
                    e.producer_id, e.producer_epoch, e.transactional
             FROM extent e
             WHERE q.by_max AND e.topic_id = lh.topic_id AND e.partition = lh.partition
                 AND e.end_offset > greatest(lh.log_start, lh.archived_to)
             ORDER BY e.max_timestamp DESC, e.end_offset
             LIMIT 1)
        ) y
        ORDER BY CASE WHEN q.by_max THEN -y.max_timestamp END, y.end_offset
        LIMIT 1
    ) s ON true;
END
$function$;
