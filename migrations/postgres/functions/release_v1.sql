-- Has segments go that nothing needs: an ingest segment whose extents are all archived, an archive segment without
-- extents. True for one that goes now, went before, or was never committed.
--
-- What holds: what a segment is needed for only becomes less, because it becomes referenced in one transaction. So
-- looking needs no lock.
CREATE OR REPLACE FUNCTION release_v1(p_kind smallint[], p_incarnation uuid[], p_seq bigint[])
RETURNS TABLE (o_index bigint, o_released boolean)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
BEGIN
    UPDATE segment s SET state = 1, released_at = clock_timestamp()
    FROM unnest(p_kind, p_incarnation, p_seq) AS q (kind, incarnation, seq)
    WHERE q.kind = 0 AND s.incarnation = q.incarnation AND s.seq = q.seq AND s.state = 0
        AND NOT EXISTS (
            SELECT
            FROM extent e
            JOIN log_head lh ON lh.topic_id = e.topic_id AND lh.partition = e.partition
            WHERE e.incarnation = s.incarnation AND e.seq = s.seq AND e.end_offset > lh.archived_to
        );

    UPDATE archive_segment s SET state = 1, released_at = clock_timestamp()
    FROM unnest(p_kind, p_incarnation, p_seq) AS q (kind, incarnation, seq)
    WHERE q.kind = 1 AND s.incarnation = q.incarnation AND s.seq = q.seq AND s.state = 0
        AND NOT EXISTS (
            -- A hole names an ingest segment, which may have the same number.
            SELECT FROM archive_extent e WHERE e.incarnation = s.incarnation AND e.seq = s.seq AND e.kind = 1);

    RETURN QUERY
    SELECT q.i,
           CASE q.kind
               WHEN 0 THEN NOT EXISTS (
                   SELECT FROM segment s WHERE s.incarnation = q.incarnation AND s.seq = q.seq AND s.state = 0)
               ELSE NOT EXISTS (
                   SELECT FROM archive_segment s
                   WHERE s.incarnation = q.incarnation AND s.seq = q.seq AND s.state = 0)
           END
    FROM unnest(p_kind, p_incarnation, p_seq) WITH ORDINALITY AS q (kind, incarnation, seq, i);
END
$function$;
