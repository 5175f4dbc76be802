-- Moves log starts forward, never beyond the end of the log; returns the heads that moved. NULL moves nothing.
CREATE OR REPLACE FUNCTION advance_log_start_v1(p_topic integer[], p_partition integer[], p_start bigint[])
RETURNS TABLE (
    o_index bigint, o_log_start bigint, o_next_offset bigint, o_last_stable_offset bigint, o_archived_to bigint
)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') <> 'on';

    -- Only those that move, in the order in which commits lock them.
    PERFORM 1
    FROM unnest(p_topic, p_partition, p_start) AS q (topic_id, partition, log_start)
    JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition
    WHERE q.log_start > lh.log_start
    ORDER BY lh.topic_id, lh.partition
    FOR NO KEY UPDATE OF lh;
    -- pause: advance holds heads

    RETURN QUERY
    UPDATE log_head lh
    SET log_start = least(q.log_start, lh.next_offset),
        last_stable_offset = greatest(lh.last_stable_offset, least(q.log_start, lh.next_offset))
    FROM unnest(p_topic, p_partition, p_start) WITH ORDINALITY AS q (topic_id, partition, log_start, i)
    -- (The least of NULL and a number is the number.)
    WHERE lh.topic_id = q.topic_id AND lh.partition = q.partition
        AND q.log_start > lh.log_start AND lh.next_offset > lh.log_start
    RETURNING q.i, lh.log_start, lh.next_offset, lh.last_stable_offset, lh.archived_to;
END
$function$;
