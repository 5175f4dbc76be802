-- Offsets of a shard's groups with members that were committed `p_age_ms` ago or before, ascending by group and partition,
-- from behind one on, at most `p_limit`. Nothing is locked: who forgets one of them looks again.
--
-- Of the group where the last call ended, what lies before is not read again: the place is a condition of the index.
CREATE OR REPLACE FUNCTION old_offsets_v1(
    p_shard smallint, p_age_ms bigint, p_group bytea, p_topic integer, p_partition integer, p_limit bigint
) RETURNS TABLE (o_group bytea, o_topic_id integer, o_partition integer)
LANGUAGE sql STABLE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_bitmapscan = off
AS $function$
    SELECT c.id, f.topic_id, f.partition
    FROM consumer_group c
    CROSS JOIN LATERAL (
        SELECT o.topic_id, o.partition
        FROM group_offset o
        WHERE o.group_key = c.group_key
            AND (o.topic_id, o.partition) > (CASE WHEN c.id = p_group THEN p_topic ELSE 0 END,
                                             CASE WHEN c.id = p_group THEN p_partition ELSE -1 END)
            AND o.committed_at <= statement_timestamp() - make_interval(secs => p_age_ms / 1000.0)
        ORDER BY o.topic_id, o.partition
        LIMIT p_limit
    ) f
    WHERE c.shard = p_shard AND c.id >= p_group AND c.empty_since IS NULL
    ORDER BY c.id, f.topic_id, f.partition
    LIMIT p_limit
$function$;
