-- Archive segments of at least so many bytes of which less than a quarter is needed.
--
-- All of archive_extent is looked at, as in merge_candidates_v1.
CREATE OR REPLACE FUNCTION mostly_dead_v1(p_bytes_min bigint, p_limit bigint)
RETURNS TABLE (o_epoch integer, o_incarnation uuid, o_seq bigint)
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $function$
BEGIN
    RETURN QUERY
    SELECT s.epoch, s.incarnation, s.seq
    FROM archive_segment s
    LEFT JOIN (
        SELECT e.incarnation, e.seq, sum(e.bytes) AS bytes
        FROM archive_extent e
        WHERE e.kind = 1
        GROUP BY e.incarnation, e.seq
    ) n ON n.incarnation = s.incarnation AND n.seq = s.seq
    WHERE s.state = 0 AND s.object_bytes >= p_bytes_min AND 4 * coalesce(n.bytes, 0) < s.object_bytes
    ORDER BY s.incarnation, s.seq
    LIMIT p_limit;
END
$function$;
