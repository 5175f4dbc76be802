-- Moves the log starts of partitions over archived records that their retention lets go; returns the heads that moved.
-- Where a manifest lists records from the log start on, nothing moves: what comes first goes first. If its first entry
-- may go, a row says so (o_now_ms is NULL in the others), and who can read manifests moves the log start.
--
-- A chunk goes when its youngest record is older than `p_ms` (NULL: for ever), or when at least `p_bytes` (NULL: any
-- number) lie behind it, always from the beginning of the log on. Age is that of the records' timestamps by the
-- database's clock; of records without one, that of their archiving.
--
-- What holds: chunks never change, so what was found without a lock holds under it, also when they move into another
-- segment or a manifest meanwhile; a log start never goes back. One statement judges: its snapshot shows each
-- partition's chunks either here or in the manifest.
CREATE OR REPLACE FUNCTION retain_v2(p_topic integer[], p_partition integer[], p_ms bigint[], p_bytes bigint[])
RETURNS TABLE (
    o_index bigint, o_log_start bigint, o_next_offset bigint, o_last_stable_offset bigint, o_archived_to bigint,
    o_now_ms bigint, o_bytes_behind bigint,
    o_manifest_topic uuid, o_manifest_epoch integer, o_manifest_incarnation uuid, o_manifest_seq bigint,
    o_manifest_bytes bigint, o_manifest_base bigint, o_manifest_end bigint
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
    c_now CONSTANT bigint := floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;
BEGIN
    RETURN QUERY
    WITH judged AS MATERIALIZED (
        SELECT q.i, q.ms, q.bytes AS bytes_kept, lh.topic_id, lh.partition, lh.log_start,
               m.topic_id IS NOT NULL AS listed, m.epoch, m.incarnation, m.seq, m.object_bytes, m.base_offset,
               m.end_offset, m.bytes, m.first_end_offset, m.first_bytes, m.first_timestamp,
               CASE WHEN m.topic_id IS NULL AND lh.archived_to > lh.log_start THEN greatest(
                   (SELECT CASE WHEN q.ms IS NOT NULL THEN coalesce(min(f.base_offset), lh.archived_to) END
                    FROM (
                        -- The first that stays.
                        SELECT a.base_offset
                        FROM archive_extent a
                        WHERE q.ms IS NOT NULL
                            AND a.topic_id = lh.topic_id AND a.partition = lh.partition
                            AND a.end_offset > lh.log_start
                            AND CASE WHEN a.max_timestamp >= 0 THEN a.max_timestamp
                                     ELSE floor(extract(epoch FROM a.archived_at) * 1000)::bigint END >= c_now - q.ms
                        ORDER BY a.end_offset
                        LIMIT 1
                    ) f),
                   (SELECT max(w.end_offset)
                    FROM (
                        SELECT a.end_offset,
                               sum(a.bytes) OVER (ORDER BY a.end_offset DESC ROWS UNBOUNDED PRECEDING) - a.bytes
                                   AS behind
                        FROM archive_extent a
                        WHERE q.bytes IS NOT NULL
                            AND a.topic_id = lh.topic_id AND a.partition = lh.partition
                            AND a.end_offset > lh.log_start
                    ) w
                    WHERE w.behind >= q.bytes - (
                        SELECT coalesce(sum(e.bytes), 0)
                        FROM extent e
                        WHERE e.topic_id = lh.topic_id AND e.partition = lh.partition
                            AND e.end_offset > lh.archived_to))
               ) END AS start,
               -- What the manifest does not list, where it matters.
               CASE WHEN lh.log_start < m.first_end_offset
                   AND (q.bytes IS NOT NULL OR m.first_timestamp < c_now - q.ms)
               THEN (
                   SELECT coalesce(sum(a.bytes), 0)
                   FROM archive_extent a
                   WHERE a.topic_id = lh.topic_id AND a.partition = lh.partition AND a.end_offset > m.end_offset
               ) + (
                   SELECT coalesce(sum(e.bytes), 0)
                   FROM extent e
                   WHERE e.topic_id = lh.topic_id AND e.partition = lh.partition AND e.end_offset > lh.archived_to
               ) END::bigint AS behind
        FROM unnest(p_topic, p_partition, p_ms, p_bytes) WITH ORDINALITY AS q (topic_id, partition, ms, bytes, i)
        LEFT JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition
        LEFT JOIN manifest m ON m.topic_id = lh.topic_id AND m.partition = lh.partition
            AND m.end_offset > lh.log_start AND m.base_offset < m.end_offset
    ), starts AS (
        SELECT array_agg(j.start ORDER BY j.i) AS starts FROM judged j
    )
    SELECT h.*, NULL::bigint, NULL::bigint, NULL::uuid, NULL::integer, NULL::uuid, NULL::bigint, NULL::bigint,
           NULL::bigint, NULL::bigint
    FROM starts s, advance_log_start_v1(p_topic, p_partition, s.starts) h
    UNION ALL
    SELECT j.i, j.log_start, NULL, NULL, NULL, c_now, j.behind,
           t.topic_uuid, j.epoch, j.incarnation, j.seq, j.object_bytes, j.base_offset, j.end_offset
    FROM judged j
    JOIN topic t ON t.topic_id = j.topic_id
    WHERE j.listed AND j.log_start < j.first_end_offset
        AND (j.first_timestamp < c_now - j.ms OR j.bytes - j.first_bytes + j.behind >= j.bytes_kept);
END
$function$;
