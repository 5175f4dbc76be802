-- Partitions whose archived extents are due for merging, or whose manifest lists what lies below the log start:
-- ascending by log, from behind one on. Due: they have so many bytes or are so many, or the first was archived so
-- long ago.
--
-- All of archive_extent is looked at, once an upkeep round: counters in the heads would cost every archiving more. Its
-- rows are what waits for merging, so there are never very many. Planned anew each time: the table grows and shrinks.
CREATE OR REPLACE FUNCTION merge_candidates_v1(
    p_bytes bigint, p_extents bigint, p_age_ms bigint, p_after_topic uuid, p_after_partition integer, p_limit bigint
)
RETURNS TABLE (
    o_topic_uuid uuid, o_topic_id integer, o_partition integer, o_bytes bigint, o_extents bigint, o_is_due boolean,
    o_has_dead boolean
)
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $function$
DECLARE
    v_before timestamptz := clock_timestamp() - make_interval(secs => p_age_ms / 1000.0);
BEGIN
    RETURN QUERY
    SELECT t.topic_uuid, t.topic_id, c.partition, max(c.bytes), max(c.extents), bool_or(c.is_due),
           bool_or(NOT c.is_due)
    FROM (
        SELECT a.topic_id, a.partition, sum(a.bytes)::bigint AS bytes, count(*) AS extents, true AS is_due
        FROM archive_extent a
        GROUP BY a.topic_id, a.partition
        HAVING sum(a.bytes) >= p_bytes OR count(*) >= p_extents OR min(a.archived_at) <= v_before
        UNION ALL
        SELECT m.topic_id, m.partition, 0, 0, false
        FROM manifest m
        JOIN log_head lh ON lh.topic_id = m.topic_id AND lh.partition = m.partition
        WHERE m.base_offset < m.end_offset AND m.first_end_offset <= lh.log_start
    ) c
    JOIN topic t ON t.topic_id = c.topic_id
    WHERE p_after_topic IS NULL OR (t.topic_uuid, c.partition) > (p_after_topic, p_after_partition)
    GROUP BY t.topic_uuid, t.topic_id, c.partition
    ORDER BY t.topic_uuid, c.partition
    LIMIT p_limit;
END
$function$;
