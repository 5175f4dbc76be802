-- Removes the rows of objects that were unneeded and are gone: released and tombstoned segments (kinds 0 and 1),
-- merged segments and manifests (2 and 3).
--
-- What holds: the row of an ingest segment that a living incarnation has not settled stays, whoever asks: that one may
-- still ask what became of it. It is in state 3 from then on: its object is gone. It goes with a later call, when it is
-- settled. Rows go in the order of their keys.
CREATE OR REPLACE FUNCTION forget_objects_v2(
    p_kind smallint[], p_incarnation uuid[], p_seq bigint[], p_topic_uuid uuid[], p_partition integer[]
)
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
    PERFORM forget_objects_v1(p_kind, p_incarnation, p_seq, p_topic_uuid, p_partition);

    UPDATE segment s
    SET state = 3
    FROM (
        SELECT u.incarnation, u.seq
        FROM unnest(p_kind, p_incarnation, p_seq) AS u (kind, incarnation, seq)
        WHERE u.kind = 0
        ORDER BY u.incarnation, u.seq
    ) q
    WHERE s.incarnation = q.incarnation AND s.seq = q.seq AND s.state = 1;

    -- Whoever else does the same at this moment takes what is left.
    DELETE FROM segment s
    USING (
        SELECT g.incarnation, g.seq
        FROM segment g
        WHERE g.state = 3 AND g.seq <= settled_through_v1(g.incarnation)
        ORDER BY g.incarnation, g.seq
        LIMIT 1000
        FOR UPDATE SKIP LOCKED
    ) q
    WHERE s.incarnation = q.incarnation AND s.seq = q.seq;
END
$function$;
