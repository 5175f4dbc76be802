-- Raises an error unless this server has the past that the caller and the cluster know (see past_v1).
--
-- Stands beside a change in one statement: whichever is evaluated first, the error undoes the change.
-- What is given out by counting (producer ids, topic keys) must not be given out again by a server that
-- lost commits, any more than offsets; a commit checks the same by itself.
CREATE OR REPLACE FUNCTION same_past_v1(p_system bigint, p_timeline integer) RETURNS boolean
LANGUAGE plpgsql
AS $function$
DECLARE
    v_past    record;
    v_cluster record;
BEGIN
    SELECT p.o_system, p.o_timeline INTO v_past FROM past_v1() p;
    SELECT c.system_identifier, c.timeline INTO STRICT v_cluster FROM cluster c;
    IF v_past.o_system <> p_system OR v_past.o_timeline <> p_timeline
        OR v_past.o_system <> v_cluster.system_identifier OR v_past.o_timeline <> v_cluster.timeline
    THEN
        RAISE EXCEPTION 'different past'
            USING ERRCODE = 'ES004', DETAIL = v_past.o_system || ' ' || v_past.o_timeline;
    END IF;
    RETURN true;
END
$function$;
