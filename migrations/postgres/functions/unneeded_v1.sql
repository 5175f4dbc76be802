-- Segments that were released so long ago, those released first coming first. An ingest segment of an incarnation
-- that lives is among them only if that has settled it: a late call that names it must find its row.
CREATE OR REPLACE FUNCTION unneeded_v1(p_grace_ms bigint, p_limit bigint)
RETURNS TABLE (o_kind smallint, o_epoch integer, o_incarnation uuid, o_seq bigint)
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
DECLARE
    v_before timestamptz := clock_timestamp() - make_interval(secs => p_grace_ms / 1000.0);
BEGIN
    RETURN QUERY
    SELECT u.kind, u.epoch, u.incarnation, u.seq
    FROM (
        (SELECT 0::smallint AS kind, a.epoch, s.incarnation, s.seq, s.released_at
         FROM segment s
         JOIN agent a ON a.incarnation = s.incarnation
         WHERE s.state = 1 AND s.released_at <= v_before
             AND (a.state <> 0 OR s.seq <= (
                 -- What was settled only grows with the segments.
                 SELECT last.settled_through FROM segment last
                 WHERE last.incarnation = s.incarnation AND last.state <> 2
                 ORDER BY last.seq DESC
                 LIMIT 1))
         ORDER BY s.released_at
         LIMIT p_limit)
        UNION ALL
        (SELECT 1::smallint, s.epoch, s.incarnation, s.seq, s.released_at
         FROM archive_segment s
         WHERE s.state = 1 AND s.released_at <= v_before
         ORDER BY s.released_at
         LIMIT p_limit)
    ) u
    ORDER BY u.released_at, u.kind, u.incarnation, u.seq
    LIMIT p_limit;
END
$function$;
