-- Takes the lease of a job, or renews it; false if a living incarnation holds it that is not the caller.
--
-- What holds: a fenced or unknown incarnation and another past each raise an error. Nothing rests on a lease; but on a
-- server that lost commits jobs would write objects that it refuses to refer to, round after round.
CREATE OR REPLACE FUNCTION claim_job_v2(
    p_system bigint, p_timeline integer, p_name text, p_incarnation uuid, p_lease_ms bigint
) RETURNS boolean
LANGUAGE plpgsql
AS $function$
DECLARE
    v_state smallint;
BEGIN
    PERFORM same_past_v1(p_system, p_timeline);

    SELECT a.state INTO v_state FROM agent a WHERE a.incarnation = p_incarnation FOR KEY SHARE;
    IF v_state IS DISTINCT FROM 0 THEN
        RAISE EXCEPTION 'fenced' USING ERRCODE = 'ES001';
    END IF;

    INSERT INTO job AS j (name, incarnation, until)
    VALUES (p_name, p_incarnation, clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0))
    ON CONFLICT (name) DO UPDATE SET incarnation = excluded.incarnation, until = excluded.until
    WHERE j.incarnation = excluded.incarnation OR j.until < clock_timestamp()
        OR NOT EXISTS (SELECT FROM agent a WHERE a.incarnation = j.incarnation AND a.state = 0);
    RETURN FOUND;
END
$function$;
