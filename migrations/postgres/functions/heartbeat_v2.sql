-- Renews a registration and says who else is alive, and what time it is: agents stamp records with it.
--
-- What holds: the update touches no column of a unique index, so it waits for nobody but a fencer, and
-- after waiting it looks at the state again: a fenced incarnation is told so. The time is one at which the
-- call was under way, and later than any wait.
CREATE OR REPLACE FUNCTION heartbeat_v2(p_incarnation uuid, p_liveness_ms bigint)
RETURNS TABLE (
    o_now_ms bigint, o_catalog_version bigint, o_epoch integer,
    o_node_id integer, o_node_name text, o_incarnation uuid, o_profile text, o_expired boolean
)
LANGUAGE plpgsql
AS $function$
DECLARE
    v_now timestamptz;
BEGIN
    UPDATE agent a SET heartbeat_at = clock_timestamp() WHERE a.incarnation = p_incarnation AND a.state = 0;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'fenced' USING ERRCODE = 'ES001';
    END IF;
    v_now := clock_timestamp();

    RETURN QUERY
    SELECT floor(extract(epoch FROM v_now) * 1000)::bigint, c.catalog_version, c.epoch,
           a.node_id, n.node_name, a.incarnation, a.profile::text,
           a.incarnation <> p_incarnation
               AND a.heartbeat_at < v_now - make_interval(secs => p_liveness_ms / 1000.0)
    FROM cluster c, agent a JOIN node n ON n.node_id = a.node_id
    WHERE a.state = 0
    ORDER BY a.node_id, a.incarnation;
END
$function$;
