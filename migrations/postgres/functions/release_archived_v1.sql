-- Releases those of archive segments in which no archived extent lies any more.
--
-- What holds: whoever takes extents out of an archive segment calls this afterwards, in the same transaction. It looks
-- only when it has the lock of the segment's row, in a statement that begins after that: of several callers the last
-- one sees what all of them took, and none is left behind. No extent is ever put into a segment that is registered.
-- Locks come last, ascending by key.
CREATE OR REPLACE FUNCTION release_archived_v1(p_incarnation uuid[], p_seq bigint[]) RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
BEGIN
    PERFORM 1
    FROM (SELECT DISTINCT u.incarnation, u.seq FROM unnest(p_incarnation, p_seq) AS u (incarnation, seq)) q
    JOIN archive_segment s ON s.incarnation = q.incarnation AND s.seq = q.seq
    WHERE s.state = 0
    ORDER BY s.incarnation, s.seq
    FOR NO KEY UPDATE OF s;

    UPDATE archive_segment s SET state = 1, released_at = clock_timestamp() + make_interval(secs => s.kept_ms / 1000.0)
    FROM (SELECT DISTINCT u.incarnation, u.seq FROM unnest(p_incarnation, p_seq) AS u (incarnation, seq)) q
    WHERE s.incarnation = q.incarnation AND s.seq = q.seq AND s.state = 0
        AND NOT EXISTS (
            -- A hole names an ingest segment, which may have the same number.
            SELECT FROM archive_extent e WHERE e.incarnation = s.incarnation AND e.seq = s.seq AND e.kind = 1);
    -- pause: release looked
END
$function$;
