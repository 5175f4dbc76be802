-- How many bytes of batches each partition has stored: what its manifest lists, and every extent that is not listed there.
-- One row for each partition that exists; NULL where it has more than `p_extents_max` such extents, or they do not cover
-- what the manifest does not.
--
-- What holds: STABLE functions see the snapshot of the statement that called them, so head, manifest and extents belong
-- together. (A bucket that is emptied meanwhile is not part of a snapshot: then the extents do not cover all, and nothing
-- is said.) Of each partition no more extents are read than twice those that may be counted.
CREATE OR REPLACE FUNCTION stored_bytes_v1(p_topic integer[], p_partition integer[], p_extents_max bigint)
RETURNS TABLE (o_index bigint, o_bytes bigint)
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
    SELECT q.i,
           CASE
               WHEN s.extents > p_extents_max THEN NULL
               WHEN s.extents = 0 AND r.listed_to >= lh.next_offset THEN r.listed_bytes
               WHEN s.first_offset <= r.listed_to AND s.end_offset >= lh.next_offset
                   -- They lie end to end.
                   AND s.records = s.end_offset - s.first_offset THEN r.listed_bytes + s.bytes
           END
    FROM unnest(p_topic, p_partition) WITH ORDINALITY AS q (topic_id, partition, i)
    JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition
    LEFT JOIN manifest m ON m.topic_id = lh.topic_id AND m.partition = lh.partition
        AND m.base_offset < m.end_offset
    CROSS JOIN LATERAL (
        SELECT greatest(lh.log_start, m.end_offset) AS listed_to, coalesce(m.bytes, 0) AS listed_bytes
    ) r
    CROSS JOIN LATERAL (
        SELECT count(*) AS extents, min(y.base_offset) AS first_offset, max(y.end_offset) AS end_offset,
               sum(y.end_offset - y.base_offset) AS records, sum(y.bytes)::bigint AS bytes
        FROM (
            (
                SELECT a.base_offset, a.end_offset, a.bytes
                FROM archive_extent a
                WHERE a.topic_id = lh.topic_id AND a.partition = lh.partition
                    AND a.end_offset > coalesce(m.end_offset, 0)
                LIMIT p_extents_max + 1
            )
            UNION ALL
            (
                SELECT e.base_offset, e.end_offset, e.bytes
                FROM extent e
                WHERE e.topic_id = lh.topic_id AND e.partition = lh.partition AND e.end_offset > lh.archived_to
                LIMIT p_extents_max + 1
            )
        ) y
    ) s
    ORDER BY q.i;
END
$function$;
