-- Moves the log starts of partitions over archived records that their retention lets go; returns the heads that moved.
--
-- A chunk goes when its youngest record is older than `p_ms` (NULL: for ever), or when at least `p_bytes` (NULL: any
-- number) lie behind it, always from the beginning of the log on. Age is that of the records' timestamps by the
-- database's clock; of records without one, that of their archiving.
--
-- What holds: chunks never change, so what was found without a lock holds under it; a log start never goes back.
CREATE OR REPLACE FUNCTION retain_v1(p_topic integer[], p_partition integer[], p_ms bigint[], p_bytes bigint[])
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
DECLARE
    c_now    CONSTANT bigint := floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;
    v_start  bigint[];
BEGIN
    SELECT array_agg(
        CASE WHEN lh.archived_to > lh.log_start THEN greatest(
            (SELECT CASE WHEN q.ms IS NOT NULL THEN coalesce(min(f.base_offset), lh.archived_to) END
             FROM (
                 -- The first that stays.
                 SELECT a.base_offset
                 FROM archive_extent a
                 WHERE q.ms IS NOT NULL
                     AND a.topic_id = lh.topic_id AND a.partition = lh.partition AND a.end_offset > lh.log_start
                     AND CASE WHEN a.max_timestamp >= 0 THEN a.max_timestamp
                              ELSE floor(extract(epoch FROM a.archived_at) * 1000)::bigint END >= c_now - q.ms
                 ORDER BY a.end_offset
                 LIMIT 1
             ) f),
            (SELECT max(w.end_offset)
             FROM (
                 SELECT a.end_offset,
                        sum(a.bytes) OVER (ORDER BY a.end_offset DESC ROWS UNBOUNDED PRECEDING) - a.bytes AS behind
                 FROM archive_extent a
                 WHERE q.bytes IS NOT NULL
                     AND a.topic_id = lh.topic_id AND a.partition = lh.partition AND a.end_offset > lh.log_start
             ) w
             WHERE w.behind >= q.bytes - (
                 SELECT coalesce(sum(e.bytes), 0)
                 FROM extent e
                 WHERE e.topic_id = lh.topic_id AND e.partition = lh.partition AND e.end_offset > lh.archived_to))
        ) END ORDER BY q.i)
    INTO v_start
    FROM unnest(p_topic, p_partition, p_ms, p_bytes) WITH ORDINALITY AS q (topic_id, partition, ms, bytes, i)
    LEFT JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition
        -- This version cannot tell how old what a manifest lists is, and nothing behind it goes first.
        AND NOT EXISTS (
            SELECT FROM manifest m
            WHERE m.topic_id = lh.topic_id AND m.partition = lh.partition AND lh.log_start < m.end_offset);

    RETURN QUERY SELECT * FROM advance_log_start_v1(p_topic, p_partition, v_start);
END
$function$;
