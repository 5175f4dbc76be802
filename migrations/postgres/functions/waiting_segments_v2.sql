-- Ingest segments that were committed and not released, those committed first coming first, after the first `p_skip`:
-- one, then until they have `p_bytes_max` bytes together.
--
-- What holds: of one partition they are in the order of their offsets, unless the clock was set back. Then those that
-- archiving needs first may stand behind others, at any distance: that is what skipping is for.
CREATE OR REPLACE FUNCTION waiting_segments_v2(p_skip bigint, p_bytes_max bigint, p_segments_max bigint)
RETURNS TABLE (o_epoch integer, o_incarnation uuid, o_seq bigint, o_object_bytes bigint, o_age_ms bigint)
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
BEGIN
    RETURN QUERY
    SELECT a.epoch, w.incarnation, w.seq, w.object_bytes,
           floor(extract(epoch FROM clock_timestamp()
               - coalesce(w.committed_at, timestamptz 'epoch')) * 1000)::bigint
    FROM (
        SELECT s.*, sum(s.object_bytes) OVER (
                   ORDER BY s.committed_at NULLS FIRST, s.incarnation, s.seq ROWS UNBOUNDED PRECEDING
               ) - s.object_bytes AS bytes_before
        FROM (
            SELECT x.*
            FROM segment x
            WHERE x.state = 0
            ORDER BY x.committed_at NULLS FIRST, x.incarnation, x.seq
            LIMIT p_segments_max OFFSET p_skip
        ) s
    ) w
    JOIN agent a ON a.incarnation = w.incarnation
    WHERE w.bytes_before = 0 OR w.bytes_before < p_bytes_max
    ORDER BY w.committed_at NULLS FIRST, w.incarnation, w.seq;
END
$function$;
