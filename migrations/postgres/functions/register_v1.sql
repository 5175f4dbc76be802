-- Registers a new incarnation under a node name and fences the name's earlier ones.
--
-- What holds: at most one incarnation of a name is live (the node row's lock serialises registrations);
-- one that was fenced or left is not revived; repeating a registration changes nothing but its profile.
-- A commit of an earlier incarnation that is under way is waited for; none can begin afterwards.
CREATE OR REPLACE FUNCTION register_v1(
    p_node_name text, p_incarnation uuid, p_epoch integer, p_profile jsonb,
    OUT o_node_id integer, OUT o_fenced uuid[]
)
LANGUAGE plpgsql
AS $function$
DECLARE
    v_epoch   integer;
BEGIN
    SELECT c.epoch INTO STRICT v_epoch FROM cluster c;
    IF v_epoch <> p_epoch THEN
        RAISE EXCEPTION 'wrong cluster epoch' USING ERRCODE = 'ES002', DETAIL = v_epoch;
    END IF;

    -- A life that ended does not come back, and a living one keeps its name. The insert below says so
    -- too, under locks; looking first saves a node id, which a rollback would not give back.
    IF EXISTS (
        SELECT FROM agent a JOIN node n ON n.node_id = a.node_id
        WHERE a.incarnation = p_incarnation AND (a.state <> 0 OR n.node_name <> p_node_name)
    ) THEN
        RAISE EXCEPTION 'fenced' USING ERRCODE = 'ES001';
    END IF;

    -- So does this: an insert that conflicts uses a number up.
    IF NOT EXISTS (SELECT FROM node n WHERE n.node_name = p_node_name) THEN
        INSERT INTO node (node_name) VALUES (p_node_name) ON CONFLICT (node_name) DO NOTHING;
    END IF;
    SELECT n.node_id INTO STRICT o_node_id FROM node n WHERE n.node_name = p_node_name FOR UPDATE;

    -- Lock first, change afterwards: a plain update does not conflict with a commit's FOR KEY SHARE, and
    -- the commit would land after its fencing. Heartbeats do not matter: a new life ends the old one.
    PERFORM 1 FROM agent a
    WHERE a.node_id = o_node_id AND a.state = 0 AND a.incarnation <> p_incarnation
    ORDER BY a.incarnation
    FOR UPDATE;
    -- pause: register holds fences

    WITH fenced AS (
        UPDATE agent a SET state = 2
        WHERE a.node_id = o_node_id AND a.state = 0 AND a.incarnation <> p_incarnation
        RETURNING a.incarnation
    )
    SELECT coalesce(array_agg(f.incarnation ORDER BY f.incarnation), '{}') INTO o_fenced FROM fenced f;

    INSERT INTO agent AS a (incarnation, node_id, epoch, profile)
    VALUES (p_incarnation, o_node_id, p_epoch, p_profile)
    ON CONFLICT (incarnation) DO UPDATE
    SET profile = excluded.profile, heartbeat_at = clock_timestamp()
    WHERE a.state = 0 AND a.node_id = excluded.node_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'fenced' USING ERRCODE = 'ES001';
    END IF;
END
$function$;
