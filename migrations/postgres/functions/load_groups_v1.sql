-- Groups of a shard with their members, ascending by the bytes of their ids, from one on. No row if the shard is not held by this
-- incarnation with this epoch; one without a group if it is, and there is none.
--
-- What holds: one snapshot. Where it shows that the caller holds the shard, it shows all that former holders wrote.
CREATE OR REPLACE FUNCTION load_groups_v1(
    p_incarnation uuid, p_shard smallint, p_epoch bigint, p_from bytea, p_limit bigint
) RETURNS TABLE (o_id bytea, o_state bytea, o_member_id bytea[], o_member_state bytea[])
LANGUAGE sql STABLE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_bitmapscan = off
AS $function$
    SELECT g.id, g.state,
           ARRAY(SELECT m.member_id FROM group_member m WHERE m.group_key = g.group_key ORDER BY m.member_id),
           ARRAY(SELECT m.state FROM group_member m WHERE m.group_key = g.group_key ORDER BY m.member_id)
    FROM coordinator_shard s
    JOIN agent a ON a.incarnation = s.incarnation AND a.state = 0
    LEFT JOIN LATERAL (
        SELECT c.id, c.state, c.group_key
        FROM consumer_group c
        WHERE c.shard = s.shard AND c.id >= p_from
        ORDER BY c.id
        LIMIT p_limit
    ) g ON true
    WHERE s.shard = p_shard AND s.epoch = p_epoch AND s.incarnation = p_incarnation
    ORDER BY g.id
$function$;
