-- Whether an incarnation may have made objects known to a server whose commits were lost: one that registered before
-- another past was accepted, or that this server does not know. What such a one left may be all that there is of
-- acknowledged records, so nothing calls it an orphan.
CREATE OR REPLACE FUNCTION from_lost_past_v1(p_incarnation uuid) RETURNS boolean
LANGUAGE sql STABLE AS $function$
    SELECT c.past_accepted_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM agent a WHERE a.incarnation = p_incarnation AND a.registered_at > c.past_accepted_at)
    FROM cluster c
$function$;
