-- Settles segments for ever: a tombstone where no commit stands, else the stored reply is read back.
--
-- What holds: a fenced or unknown incarnation raises an error and changes nothing; afterwards each seq
-- has a row that never changes its answer. Insert first, then look: a commit that is still under way is
-- waited for by the insert, and the next statement sees what it left. Never the other way round.
CREATE OR REPLACE FUNCTION settle_v1(p_incarnation uuid, p_seq bigint[])
RETURNS TABLE (o_seq bigint, o_state smallint, o_reply bigint[])
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
AS $function$
DECLARE
    v_state smallint;
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') <> 'on';

    -- As in a commit: heartbeats must not wait, fencers must.
    SELECT a.state INTO v_state FROM agent a WHERE a.incarnation = p_incarnation FOR KEY SHARE;
    IF v_state IS DISTINCT FROM 0 THEN
        RAISE EXCEPTION 'fenced' USING ERRCODE = 'ES001';
    END IF;
    -- pause: settle holds fence

    -- In the order in which commits insert.
    INSERT INTO segment (incarnation, seq, state)
    SELECT p_incarnation, q.seq, 2
    FROM (SELECT DISTINCT u.seq FROM unnest(p_seq) AS u (seq) ORDER BY u.seq) q
    ON CONFLICT (incarnation, seq) DO NOTHING;
    -- pause: settle wrote tombstones

    RETURN QUERY
    SELECT s.seq, s.state, s.reply
    FROM segment s
    WHERE s.incarnation = p_incarnation AND s.seq = ANY (p_seq);
END
$function$;
