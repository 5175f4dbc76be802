-- Offsets of a shard's groups with members that were committed `p_age_ms` ago or before, ascending by group and partition,
-- from behind one on, at most `p_limit`. Nothing is locked: who forgets one of them looks again.
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
    SELECT c.id, o.topic_id, o.partition
    FROM consumer_group c
    JOIN group_offset o ON o.group_key = c.group_key
    WHERE c.shard = p_shard AND c.id >= p_group AND c.empty_since IS NULL
        AND (c.id > p_group OR (o.topic_id, o.partition) > (p_topic, p_partition))
        AND o.committed_at <= statement_timestamp() - make_interval(secs => p_age_ms / 1000.0)
    ORDER BY c.id, o.topic_id, o.partition
    LIMIT p_limit
$function$;
