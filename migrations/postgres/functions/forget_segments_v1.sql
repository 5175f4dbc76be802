-- Removes the rows of segments that were released and whose objects are gone.
CREATE OR REPLACE FUNCTION forget_segments_v1(p_kind smallint[], p_incarnation uuid[], p_seq bigint[])
RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
BEGIN
    DELETE FROM segment s
    USING unnest(p_kind, p_incarnation, p_seq) AS q (kind, incarnation, seq)
    WHERE q.kind = 0 AND s.incarnation = q.incarnation AND s.seq = q.seq AND s.state = 1;
    DELETE FROM archive_segment s
    USING unnest(p_kind, p_incarnation, p_seq) AS q (kind, incarnation, seq)
    WHERE q.kind = 1 AND s.incarnation = q.incarnation AND s.seq = q.seq AND s.state = 1;
END
$function$;
