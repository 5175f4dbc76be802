-- The log heads of partitions, in one snapshot. `o_index` counts the request's partitions from 1; one
-- that does not exist has no row.
CREATE OR REPLACE FUNCTION heads_v1(p_topic integer[], p_partition integer[])
RETURNS TABLE (
    o_index bigint, o_log_start bigint, o_next_offset bigint, o_last_stable_offset bigint, o_archived_to bigint
)
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
BEGIN
    RETURN QUERY
    SELECT q.i, lh.log_start, lh.next_offset, lh.last_stable_offset, lh.archived_to
    FROM unnest(p_topic, p_partition) WITH ORDINALITY AS q (topic_id, partition, i)
    JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition;
END
$function$;
