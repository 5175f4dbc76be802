-- Topics that were deleted so long ago, whose merged segments and manifests may be there: the oldest first.
CREATE OR REPLACE FUNCTION topics_to_empty_v1(p_grace_ms bigint, p_limit bigint) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $function$
DECLARE
    v_before timestamptz := clock_timestamp() - make_interval(secs => p_grace_ms / 1000.0);
BEGIN
    RETURN QUERY
    SELECT t.topic_uuid
    FROM topic t
    WHERE t.to_empty_at IS NOT NULL AND t.to_empty_at <= v_before
    ORDER BY t.to_empty_at, t.version
    LIMIT p_limit;
END
$function$;
