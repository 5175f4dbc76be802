-- Which of archive segments have a row, be they live or released: their places, from 1.
--
-- What holds: a row is written by the call that makes the segment referenced, and goes after its object.
CREATE OR REPLACE FUNCTION registered_v1(p_incarnation uuid[], p_seq bigint[]) RETURNS SETOF bigint
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
    SELECT q.i
    FROM unnest(p_incarnation, p_seq) WITH ORDINALITY AS q (incarnation, seq, i)
    JOIN archive_segment s ON s.incarnation = q.incarnation AND s.seq = q.seq;
END
$function$;
