-- Takes the lease of a job, or renews it; false if a living incarnation holds it that is not the caller, or if the job
-- was done less than `p_every_ms` ago, by whomever.
--
-- What holds: a fenced or unknown incarnation and another past each raise an error. Nothing rests on a lease; but on a
-- server that lost commits jobs would write objects that it refuses to refer to, round after round. A job that was done
-- in the future, because the clock was set back, is due.
CREATE OR REPLACE FUNCTION claim_job_v2(
    p_system bigint, p_timeline integer, p_name text, p_incarnation uuid, p_lease_ms bigint, p_every_ms bigint
) RETURNS boolean
LANGUAGE plpgsql
AS $function$
DECLARE
    v_state smallint;
    v_now   timestamptz;
BEGIN
    PERFORM same_past_v1(p_system, p_timeline);

    SELECT a.state INTO v_state FROM agent a WHERE a.incarnation = p_incarnation FOR KEY SHARE;
    IF v_state IS DISTINCT FROM 0 THEN
        RAISE EXCEPTION 'fenced' USING ERRCODE = 'ES001';
    END IF;

    v_now := clock_timestamp();
    INSERT INTO job AS j (name, incarnation, until)
    VALUES (p_name, p_incarnation, v_now + make_interval(secs => p_lease_ms / 1000.0))
    ON CONFLICT (name) DO UPDATE SET incarnation = excluded.incarnation, until = excluded.until
    WHERE (j.incarnation = excluded.incarnation OR j.until < v_now
           OR NOT EXISTS (SELECT FROM agent a WHERE a.incarnation = j.incarnation AND a.state = 0))
        AND (j.done_at IS NULL OR j.done_at > v_now
             OR j.done_at <= v_now - make_interval(secs => p_every_ms / 1000.0));
    RETURN FOUND;
END
$function$;
