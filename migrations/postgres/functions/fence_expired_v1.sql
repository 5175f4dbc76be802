-- Fences those of the incarnations that were silent for too long; returns those that are not live now,
-- whoever ended them.
--
-- What holds: whoever is fenced here had not renewed its registration in time, by the database's clock,
-- at a moment when nobody else could change its row, and none of its commits was under way.
CREATE OR REPLACE FUNCTION fence_expired_v1(p_incarnations uuid[], p_liveness_ms bigint)
RETURNS SETOF uuid
LANGUAGE plpgsql
AS $function$
BEGIN
    -- Lock first, change afterwards: a plain update does not conflict with a commit's FOR KEY SHARE, and
    -- the commit would land after its fencing.
    PERFORM 1 FROM agent a
    WHERE a.incarnation = ANY (p_incarnations) AND a.state = 0
    ORDER BY a.incarnation
    FOR UPDATE;
    -- pause: fence holds fences

    -- The expiry is looked at again: a heartbeat may have come while this waited.
    UPDATE agent a SET state = 2
    WHERE a.incarnation = ANY (p_incarnations) AND a.state = 0
        AND a.heartbeat_at < clock_timestamp() - make_interval(secs => p_liveness_ms / 1000.0);

    RETURN QUERY
    SELECT a.incarnation
    FROM unnest(p_incarnations) WITH ORDINALITY AS q (incarnation, i)
    JOIN agent a ON a.incarnation = q.incarnation AND a.state <> 0
    ORDER BY q.i;
END
$function$;
