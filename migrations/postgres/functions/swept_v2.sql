-- Says that the bucket was swept after these incarnations had ended, and forgets all that were swept and of which no
-- segment is left. Returns how many were forgotten. Rows that were kept for them when their objects had gone go with them.
--
-- What holds: one that lives is neither marked nor forgotten. One that ended gets no segment any more, so none appears
-- while this looks. Fence rows are locked ascending, before anything else, as by whoever ends incarnations.
CREATE OR REPLACE FUNCTION swept_v2(p_incarnations uuid[]) RETURNS bigint
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
DECLARE
    v_ended     uuid[];
    v_forgotten bigint;
BEGIN
    SELECT array_agg(l.incarnation) INTO v_ended
    FROM (
        SELECT a.incarnation
        FROM agent a
        WHERE a.state <> 0 AND (a.state = 4 OR a.incarnation = ANY (p_incarnations))
        ORDER BY a.incarnation
        FOR UPDATE
    ) l;
    -- pause: swept holds fences

    -- Not one that ended only now.
    UPDATE agent a SET state = 4
    WHERE a.incarnation = ANY (v_ended) AND a.state IN (1, 2, 3);

    DELETE FROM segment s
    WHERE s.state = 3 AND s.incarnation = ANY (v_ended);

    DELETE FROM agent a
    WHERE a.incarnation = ANY (v_ended) AND a.state = 4
        AND NOT EXISTS (SELECT FROM segment s WHERE s.incarnation = a.incarnation);
    GET DIAGNOSTICS v_forgotten = ROW_COUNT;
    RETURN v_forgotten;
END
$function$;
