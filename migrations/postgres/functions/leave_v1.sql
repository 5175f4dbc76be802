-- Ends a registration in good order. Nothing happens if it ended already.
--
-- What holds: afterwards the incarnation can never commit, and no commit of it is under way.
CREATE OR REPLACE FUNCTION leave_v1(p_incarnation uuid) RETURNS void
LANGUAGE plpgsql
AS $function$
BEGIN
    -- Lock first, change afterwards: see fence_expired_v1.
    PERFORM 1 FROM agent a WHERE a.incarnation = p_incarnation FOR UPDATE;
    UPDATE agent a SET state = 1 WHERE a.incarnation = p_incarnation AND a.state = 0;
END
$function$;
