-- Incarnations that ended and were not swept yet.
CREATE OR REPLACE FUNCTION to_sweep_v1(p_limit bigint) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $function$
BEGIN
    RETURN QUERY
    SELECT a.incarnation
    FROM agent a
    WHERE a.state <> 0 AND a.state IN (1, 2, 3)
    ORDER BY a.incarnation
    LIMIT p_limit;
END
$function$;
