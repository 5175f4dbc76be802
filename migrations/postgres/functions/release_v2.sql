-- Has segments go that nothing needs: an ingest segment whose extents are all archived, an archive segment without
-- extents. True for one that goes now, went before, or was never committed. An ingest segment that holes name counts
-- as released so much later.
--
-- What holds: what a segment is needed for only becomes less, because it becomes referenced in one transaction.
CREATE OR REPLACE FUNCTION release_v2(p_kind smallint[], p_incarnation uuid[], p_seq bigint[], p_hole_kept_ms bigint)
RETURNS TABLE (o_index bigint, o_released boolean)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
DECLARE
    v_incarnation uuid[];
    v_seq         bigint[];
BEGIN
    UPDATE segment s
    SET state = 1,
        released_at = clock_timestamp() + CASE
            WHEN EXISTS (
                SELECT FROM archive_extent e
                WHERE e.incarnation = s.incarnation AND e.seq = s.seq AND e.kind = 0)
            THEN make_interval(secs => p_hole_kept_ms / 1000.0)
            ELSE interval '0'
        END
    FROM (
        SELECT DISTINCT u.incarnation, u.seq
        FROM unnest(p_kind, p_incarnation, p_seq) AS u (kind, incarnation, seq)
        WHERE u.kind = 0
        ORDER BY u.incarnation, u.seq
    ) q
    WHERE s.incarnation = q.incarnation AND s.seq = q.seq AND s.state = 0
        AND NOT EXISTS (
            SELECT
            FROM extent e
            JOIN log_head lh ON lh.topic_id = e.topic_id AND lh.partition = e.partition
            WHERE e.incarnation = s.incarnation AND e.seq = s.seq AND e.end_offset > lh.archived_to
        );

    SELECT array_agg(u.incarnation), array_agg(u.seq) INTO v_incarnation, v_seq
    FROM unnest(p_kind, p_incarnation, p_seq) AS u (kind, incarnation, seq)
    WHERE u.kind = 1;
    IF v_seq IS NOT NULL THEN
        PERFORM release_archived_v1(v_incarnation, v_seq);
    END IF;

    RETURN QUERY
    SELECT q.i, q.kind IN (0, 1) AND s.seq IS NULL AND x.seq IS NULL
    FROM unnest(p_kind, p_incarnation, p_seq) WITH ORDINALITY AS q (kind, incarnation, seq, i)
    LEFT JOIN segment s ON q.kind = 0 AND s.incarnation = q.incarnation AND s.seq = q.seq AND s.state = 0
    LEFT JOIN archive_segment x ON q.kind = 1 AND x.incarnation = q.incarnation AND x.seq = q.seq AND x.state = 0;
END
$function$;
